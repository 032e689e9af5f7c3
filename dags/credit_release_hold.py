"""DAG `credit_release_hold`: a named person lets a held slice go, and what was held leaves at once."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task
from credit_dag_defaults import CHECKED, START

DOC = """
### 放行暂停的数据

**做什么**：解除一个被质量检查暂停的切片（单位 × 数据集 × 目的地），随即触发上报。
放行人（当前登录的用户）、理由和时间记录在数据仓库中，不可更改。

**怎么用**：先用 `credit quality holds` 查看编号和原因，再点“触发”，填写编号和理由。

**等价命令**：`credit quality release 编号 --by 姓名 --reason 理由`。
"""


@dag(
    dag_id="credit_release_hold",
    dag_display_name="放行暂停的数据",
    description="由具名人员说明理由后放行",
    doc_md=DOC,
    schedule=None,
    start_date=START,
    catchup=False,
    params={
        "hold_id": Param(type="integer", minimum=1, title="编号", description="credit quality holds 列出的编号。"),
        "reason": Param(
            type="string", minLength=2, title="理由", description="为什么可以放行；会记录在案，请勿填写证件号码。"
        ),
    },
    tags={"质量", "人工"},
)
def credit_release_hold() -> None:
    # Not retried: a person waits for the answer and can correct the number.
    @task(task_display_name="放行", outlets=[CHECKED])
    def release(params: dict[str, Any] | None = None, dag_run: Any = None) -> None:
        from contextlib import closing

        from credit_expectations.gate import release as let_go
        from credit_warehouse.connect import connect
        from credit_warehouse.settings import load_settings

        asked = params or {}
        with closing(connect(load_settings(), "quality")) as con:
            let_go(con, asked["hold_id"], dag_run.triggering_user_name or "", asked["reason"])

    release()


credit_release_hold()
