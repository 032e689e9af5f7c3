"""DAGs `credit_forward_<destination>`: send what is due to one destination and fetch its receipts.

One DAG a destination, so that one that is down, slow or paused holds up no other.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import AssetOrTimeSchedule, dag, task
from airflow.sdk.exceptions import AirflowFailException
from credit_dag_defaults import AS_OF, CHECKED, RETRIES, START, as_of, destination_pool, every

from credit_platforms.destinations import destination_ids

DOC = """
### 上报：{destination}

**做什么**：把应报而未报的数据发送到“{destination}”，然后查询它的回执；发送不成时照样查询以前的回执。
被质量检查暂停的数据不会发出；撤销、退出、修复等标记优先发送。对方没有明确答复的批次先查询，不会盲目重发。

**何时运行**：质量检查完成后立即运行；另外每 15 分钟运行一次。
**失败时**：自动重试 5 次（间隔逐次加倍），不影响其他目的地；仍失败则由下一次运行接着处理。
同一目的地同时只有一个任务（资源池 `{pool}`）。
退回过多而暂停上报时，运行显示为失败，日志说明原因；处理后用 `credit resume {destination}` 恢复。

**等价命令**：`credit forward {destination}`。
"""


def forward_dag(destination: str) -> None:
    """Declare the DAG of one destination."""
    pool = destination_pool(destination)

    @dag(
        dag_id=f"credit_forward_{destination}",
        dag_display_name=f"上报：{destination}",
        description=f"发送应报数据到 {destination} 并查询回执",
        doc_md=DOC.format(destination=destination, pool=pool),
        # By time as well: a hold released by a person and a receipt that comes late raise no event.
        schedule=AssetOrTimeSchedule(assets=[CHECKED], timetable=every("*/15 * * * *")),
        start_date=START,
        catchup=False,
        max_active_runs=1,
        default_args={**RETRIES, "pool": pool},
        params=AS_OF,
        tags={"上报"},
    )
    def credit_forward() -> None:
        # No arrow between the two: the pool's one slot takes the more urgent first, and receipts of what
        # went out before are fetched even while sending fails. Either failure makes the run a failure.
        @task(task_display_name="发送应报数据", priority_weight=2)
        def forward(params: dict[str, Any] | None = None) -> dict[str, Any]:
            from credit_platforms.forward import forward as send

            counts = send(destination, as_of=as_of(params or {}))
            if counts["state"] == "paused":
                # Trying again would not help, and a run that sent nothing must not look like a success.
                raise AirflowFailException(counts["why"])
            return counts

        @task(task_display_name="查询回执")
        def collect() -> dict[str, Any]:
            from credit_platforms.forward import collect as fetch

            return fetch(destination)

        forward()
        collect()

    credit_forward()


for known in destination_ids():
    forward_dag(known)
