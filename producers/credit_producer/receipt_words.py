"""Receipts as a clerk reads them: whose answer, of which row, why; and all of them as a table for Excel."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from credit_schemas.catalogue import Catalogue
from credit_schemas.county_errors import CountyDataError
from credit_schemas.destination_terms import load_terms

from .files.export import safe_text
from .spool import RESEND

STATUSES = {
    "loaded": "已入库",
    "rejected": "已拒收",
    "unchanged": "无变化",
    "duplicate": "重复",
    "waiting": "待匹配",
    "forwarded": "已上报",
    "accepted": "省已接收",
    "returned": "省退回",
    "changed": "状态变更",
    RESEND: "请求重发",
}
# Short names; the others are called as the county's destination files call them.
DESTINATIONS = {"province": "省", "nation": "国家"}
HEADINGS = ["时间", "数据集", "文件", "行号", "记录编号", "结果", "说明", "事件编号"]


def destination_names(catalogue: Catalogue) -> dict[str, str]:
    """What the platforms above are called in a status, by id."""
    try:
        terms = load_terms(catalogue.county, catalogue.datasets)
    except CountyDataError:
        terms = {}  # a unit's copy of the center's files; receipts are read all the same
    return {**{id: t.name for id, t in terms.items()}, **DESTINATIONS}


def status_name(receipt: Mapping[str, Any], destinations: Mapping[str, str] = DESTINATIONS) -> str:
    """A receipt's status as a clerk reads it: 已入库, 省已接收, 国家退回, 信易贷平台已接收 and so on."""
    status = str(receipt["status"])
    if status in ("accepted", "returned"):
        destination = str(receipt.get("destination") or "")
        return destinations.get(destination, destination) + STATUSES[status].removeprefix("省")
    return STATUSES.get(status, status)


def reasons(receipt: Mapping[str, Any]) -> str:
    """The note and the problems in one text; beside what refused a row, what was only remarked is last and marked."""
    problems = receipt.get("problems") or ()
    said = [str(p.get("message", "")) for p in problems if p.get("severity") != "warn"]
    mark = "（提醒）" if said else ""
    said += [f"{mark}{p.get('message', '')}" for p in problems if p.get("severity") == "warn"]
    return " ".join(text for text in [str(receipt.get("note") or ""), *said] if text)


def line(receipt: Mapping[str, Any], status: str) -> str:
    """One receipt on one line: status, file and row (or record, or event) and why."""
    about = f"事件 {receipt['ce_id']}" if receipt.get("ce_id") else f"记录 {receipt.get('record_no')}"
    where = receipt.get("file") or about
    if receipt.get("line"):
        where = f"{where} 第 {receipt['line']} 行"
    why = reasons(receipt)
    return f"{status} {where}：{why}" if why else f"{status} {where}"


class ReceiptTable:
    """Receipts as CSV that Excel opens with Chinese intact and takes nothing in it for a formula."""

    def __init__(self, path: Path, catalogue: Catalogue) -> None:
        """Create the file. Raises OSError."""
        self._catalogue = catalogue
        self._names = destination_names(catalogue)
        self._file = path.open("w", encoding="utf-8-sig", newline="", errors="backslashreplace")
        self._writer = csv.writer(self._file)
        self._writer.writerow(HEADINGS)

    def add(self, receipt: Mapping[str, Any]) -> None:
        """Write one receipt; its time on the county's clock."""
        at = str(receipt.get("at") or "")
        if at:
            at = f"{datetime.fromisoformat(at).astimezone(self._catalogue.county.zone):%Y-%m-%d %H:%M:%S}"
        cells = (
            at,
            self._catalogue.dataset_name(str(receipt.get("dataset") or "")),
            receipt.get("file"),
            receipt.get("line"),
            receipt.get("record_no"),
            status_name(receipt, self._names),
            reasons(receipt),
            receipt.get("ce_id"),
        )
        self._writer.writerow([safe_text(c) for c in cells])

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
