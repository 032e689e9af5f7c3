"""DAG `credit_quality`: check every slice that was loaded and not yet checked."""

from __future__ import annotations

from typing import Any

from airflow.providers.apache.kafka.triggers.shared_stream import KafkaSharedStreamTrigger
from airflow.sdk import Asset, AssetOrTimeSchedule, AssetWatcher, dag, task
from credit_dag_defaults import AS_OF, CHECKED, COUNTY, RETRIES, START, as_of, every

from credit_schemas.topics import loaded_topic

TOPIC = loaded_topic(COUNTY.code)

LOADED = Asset(
    name="loaded",
    uri=f"kafka://center/{TOPIC}",
    watchers=[AssetWatcher(name="loaded", trigger=KafkaSharedStreamTrigger(topics=[TOPIC]))],
)

DOC = """
### 质量检查

**做什么**：对数据仓库中新入库、尚未检查的数据运行质量检查（Great Expectations），结果写入 `quality`，
未通过的切片（单位 × 数据集 × 目的地）暂停上报并生成工单。

**何时运行**：入库程序发出通知时立即运行；另外每 15 分钟运行一次。通知只起“叫醒”作用，
要检查什么以数据仓库为准，所以漏掉或重复的通知都不影响结果。

**运行后**：触发各目的地的上报（`credit_forward_…`）。

**等价命令**：`credit quality run`。**补跑**：手动触发并填写“截止日期”。
"""


@dag(
    dag_id="credit_quality",
    dag_display_name="质量检查",
    description="检查新入库的数据，未通过的暂停上报",
    doc_md=DOC,
    # The slow schedule is the safety net: the last nudges of a burst may start no run (Airflow stores them
    # and waits for the next), and a stopped triggerer sends none.
    schedule=AssetOrTimeSchedule(assets=[LOADED], timetable=every("*/15 * * * *")),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=dict(RETRIES),
    params=AS_OF,
    tags={"质量"},
)
def credit_quality() -> None:
    @task(task_display_name="检查新数据", outlets=[CHECKED])
    def quality_run(params: dict[str, Any] | None = None) -> dict[str, Any]:
        from credit_expectations.run import run_due

        return run_due(as_of=as_of(params or {}))

    quality_run()


credit_quality()
