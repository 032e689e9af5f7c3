"""DAG `credit_quality_full`: once a night, look at every record again and prove the books of the usual runs."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task
from credit_dag_defaults import AS_OF, CHECKED, RETRIES, START, as_of, every

DOC = """
### 全面质量检查

**做什么**：平时的检查只看新数据、与它有关的旧数据和没有解决的问题，数量按账计算。这里把每个切片的每条记录都看一遍，
把账重数一遍：账与实际不符、旧数据被入库程序以外的人改动，都在这里发现。

**何时运行**：每天 02:30（在对账之前）。数据量大时要几分钟，其间到达的数据由下一次平时的检查处理。

**等价命令**：`credit quality run --full`。**补跑**：手动触发并填写“截止日期”。
"""


@dag(
    dag_id="credit_quality_full",
    dag_display_name="全面质量检查",
    description="每条记录都检查，账重数一遍",
    doc_md=DOC,
    schedule=every("30 2 * * *"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=dict(RETRIES),
    params=AS_OF,
    tags={"质量"},
)
def credit_quality_full() -> None:
    @task(task_display_name="全面检查", outlets=[CHECKED])
    def quality_full(params: dict[str, Any] | None = None) -> dict[str, Any]:
        from credit_expectations.run import run_due

        return run_due(as_of=as_of(params or {}), whole=True)

    quality_full()


credit_quality_full()
