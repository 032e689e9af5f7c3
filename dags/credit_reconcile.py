"""DAG `credit_reconcile`: once a day, compare everything a destination should hold with what it holds."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task
from credit_dag_defaults import AS_OF, RETRIES, START, as_of, destination_pool, every

from credit_platforms.destinations import destination_ids

DOC = """
### 每日对账

**做什么**：逐个目的地，把它应有的数据与它已确认的数据全部比对一遍，差异标为应报。
用来发现没有通知的变化：公示期满、新增目的地、上报条件改变、数据库恢复等。每个目的地一个任务，互不影响。

**何时运行**：每天 03:30（避开白天的集中上报）。差异由随后的上报任务发送。

**等价命令**：`credit reconcile`。**补跑**：手动触发并填写“截止日期”。
"""


@dag(
    dag_id="credit_reconcile",
    dag_display_name="每日对账",
    description="全量比对各目的地应有与已有的数据",
    doc_md=DOC,
    schedule=every("30 3 * * *"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=dict(RETRIES),
    params=AS_OF,
    tags={"上报", "对账"},
)
def credit_reconcile() -> None:
    # A task declared for each destination, not one task mapped over them: the tasks of a mapped one share a
    # pool, and each destination has its own.
    for known in destination_ids():

        @task(task_id=f"reconcile_{known}", task_display_name=f"对账：{known}", pool=destination_pool(known))
        def reconcile(destination: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
            from credit_platforms.reconcile import reconcile as compare

            return compare(destination, as_of=as_of(params or {}))

        reconcile(known)


credit_reconcile()
