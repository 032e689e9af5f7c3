"""A clerk reads whose answer a receipt is."""

from __future__ import annotations

import pytest

from credit_producer.receipts import status_name


@pytest.mark.parametrize(
    ("status", "destination", "name"),
    [
        ("accepted", "province", "省已接收"),
        ("accepted", "nation", "国家已接收"),
        ("returned", "nation", "国家退回"),
        ("returned", "city", "city退回"),
        ("loaded", None, "已入库"),
        ("forwarded", "nation", "已上报"),
        ("something-new", None, "something-new"),
    ],
)
def test_an_answer_names_its_platform(status: str, destination: str | None, name: str) -> None:
    assert status_name({"status": status, "destination": destination}) == name
