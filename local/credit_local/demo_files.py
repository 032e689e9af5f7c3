"""The upload files of the demo: real rows, completed where the standard asks for more, some left as they are.

What is real and what is made up: `demo/README.md`. The same day and seed rows give the same files, so a second demo
sends nothing new.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from openpyxl import Workbook

from credit_schemas import identifiers
from credit_schemas.catalogue import Catalogue
from credit_schemas.dataset import Dataset

ROWS = Path(__file__).resolve().parents[2] / "demo"
PENALTIES, LICENCES = ROWS / "penalties.tsv", ROWS / "licences.tsv"
# Who reports what in the demo: unit codes of the county folder.
MARKET, HALL, AGRICULTURE = "market", "hall", "agri"
# Rows of the penalties (by position) that stay as the open data has them: without document number and facts.
LEFT_INCOMPLETE = {6, 18, 31}
# The last rows are told as penalties of natural persons, reported by another unit.
OF_PERSONS = 5
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
ORG_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Upload:
    """One file as a clerk would have it."""

    unit: str
    dataset: str
    path: Path


def write_files(folder: Path, catalogue: Catalogue, today: date) -> list[Upload]:
    """Write the demo's files below `folder`; files that are there already are kept, with their dates."""
    folder.mkdir(parents=True, exist_ok=True)
    market, persons, ledger = _penalties(catalogue, today)
    penalty, licence, duties = (catalogue.datasets[d] for d in ("penalty", "licence", "ledger"))
    uploads = [
        (Upload(MARKET, "penalty", folder / "市场监管局-行政处罚.xlsx"), penalty, market),
        (Upload(AGRICULTURE, "penalty", folder / "农业农村局-行政处罚.xlsx"), penalty, persons),
        (Upload(HALL, "licence", folder / "行政服务中心-行政许可.csv"), licence, _licences(catalogue, today)),
        (Upload(MARKET, "ledger", folder / "市场监管局-应报台账.xlsx"), duties, ledger),
    ]
    for upload, dataset, rows in uploads:
        if not upload.path.exists():
            (_write_csv if upload.path.suffix == ".csv" else _write_xlsx)(upload.path, dataset, rows)
    return [upload for upload, _, _ in uploads]


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _penalties(catalogue: Catalogue, today: date) -> tuple[list[dict[str, Any]], ...]:
    market: list[dict[str, Any]] = []
    persons: list[dict[str, Any]] = []
    real = _read(PENALTIES)
    for i, row in enumerate(real):
        of_person = i >= len(real) - OF_PERSONS
        unit = AGRICULTURE if of_person else MARKET
        made = _penalty(row, i, catalogue, unit, today)
        if of_person:
            persons.append(_as_person(made, i))
        else:
            market.append(made)
    # The ledger holds every decision with a number, and two that were never reported. It is right where the upload
    # has slips: a row refused for a slip is 退回未改, not 疑似瞒报, as far as its number and day can be read.
    ledger = [_duty(row) for row in market if "CF_WSH" in row]
    for n in (901, 902):
        ledger.append({**ledger[0], "LG_WSH": _number("宝市监处罚", today, n), "LG_JDRQ": _day(today, 25)})
    _plant(market, persons)
    return market, persons, ledger


def _penalty(row: dict[str, str], i: int, catalogue: Catalogue, unit: str, today: date) -> dict[str, Any]:
    owner = catalogue.county.units.get(unit)
    if owner is None or owner.uscc is None:
        raise LookupError(f"the demo needs unit {unit} with a unified code in the county folder")
    party = int(row["party_no"])
    individual = row["subject_category"] == "个体工商户"
    decided = _day(today, 2 + party * 5 % 24)
    made: dict[str, Any] = {
        "CF_XDR_MC": f"示例{party}号{'便利店' if individual else '商贸有限公司'}",
        "CF_XDR_LB": row["subject_category"],
        "CF_XDR_SHXYM": unified_code("92" if individual else "91", party),
        "CF_FRDB": f"示例经营者{party}",
        "CF_WFXW": row["CF_WFXW"],
        "CF_YJ": row["CF_YJ"],
        "CF_CFLB": row["CF_CFLB"],
        "CF_NR": row["CF_NR"],
        "CF_NR_FK": row["CF_NR_FK"],
        "CF_NR_WFFF": row["CF_NR_WFFF"],
        "CF_JDRQ": decided,
        "CF_YXQ": _after_a_year(decided),
        "CF_CFJG": owner.full_name,
        "CF_CFJGDM": owner.uscc,
        "CF_SJLY": owner.full_name,
        "CF_SJLYDM": owner.uscc,
    }
    if i not in LEFT_INCOMPLETE:
        made["CF_WSH"] = _number("宝市监处罚" if unit == MARKET else "宝农处罚", today, party)
        made["CF_SY"] = f"经查，当事人存在“{row['case_name_without_party'].removesuffix('案')}”的行为。"
    return made


def _as_person(made: dict[str, Any], i: int) -> dict[str, Any]:
    dropped = ("CF_XDR_SHXYM", "CF_FRDB")
    return {
        **{k: v for k, v in made.items() if k not in dropped},
        "CF_XDR_MC": f"示例农户{i}",
        "CF_XDR_LB": "自然人",
        "CF_XDR_ZJLX": "身份证",
        "CF_XDR_ZJHM": resident_number(date(1970 + i % 30, 1 + i % 12, 1 + i % 28), i),
        "EXT_CFCX": "普通程序",
        "EXT_QWXC": "否",
        "EXT_SM": "否",
        "EXT_SXCD": "一般",
    }


def _plant(market: list[dict[str, Any]], persons: list[dict[str, Any]]) -> None:
    """Slips as they happen in offices; each is told to the clerk in its own words."""
    market[1]["CF_WSH"] = market[1]["CF_WSH"].replace("〔", "【").replace("〕", "】")  # mended by normalisation
    market[2]["CF_JDRQ"] = market[2]["CF_JDRQ"].replace("-", "/")  # mended by normalisation
    market[9]["CF_XDR_SHXYM"] = "913101150607311257"  # a real slip: the check digit should be W
    market[11]["CF_WSH"] = 20260011  # a number where text belongs
    market[16]["CF_JDRQ"] = market[16]["CF_JDRQ"][:5] + "13-01"  # a month that does not exist
    market[0]["CF_XDR_SHXYM"] = identifiers.USCC_PLACEHOLDER  # a 个体工商户 without a code: allowed
    persons[0]["EXT_CFCX"] = "简易程序"  # may not be reported by law: never leaves the department
    # Longer than the province takes, though not than the standard allows: the slice is held for the province.
    persons[1]["CF_SY"] = persons[1]["CF_SY"] + "现场检查笔录、询问笔录、称重记录载明：" + "证据材料逐项列明。" * 260


def _licences(catalogue: Catalogue, today: date) -> list[dict[str, Any]]:
    hall = catalogue.county.units.get(HALL)
    rows = []
    for i, row in enumerate(_read(LICENCES)):
        moved = _day(today, 3 + i * 2)
        authority = unified_code("11", 700 + i)
        rows.append(
            {
                **row,
                "XK_XDR_LB": "法人及非法人组织",
                "XK_FRDB": f"示例负责人{i + 1}",
                "XK_JDRQ": moved,
                "XK_YXQZ": moved if row["XK_YXQZ"] == row["XK_JDRQ"] else row["XK_YXQZ"],
                "XK_XKJGDM": authority,
                "XK_ZT": "1",
                "XK_LYDW": hall.full_name if hall else row["XK_LYDW"],
                "XK_LYDWDM": hall.uscc if hall else authority,
            }
        )
    return rows


def _duty(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "LG_DW": row["CF_CFJG"],
        "LG_DWDM": row["CF_CFJGDM"],
        "LG_LB": "行政处罚",
        "LG_WSH": row["CF_WSH"],
        "LG_JDRQ": row["CF_JDRQ"],
    }


def _day(today: date, before: int) -> str:
    return (today - timedelta(days=before)).isoformat()


def _after_a_year(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=365)).isoformat()


def _number(word: str, today: date, n: int) -> str:
    return f"{word}〔{today.year}〕{n}号"


def unified_code(kind: str, n: int) -> str:
    """A made-up unified code of a kind (`91` company, `92` 个体工商户, `11` organ) with right check digits."""
    body = f"{kind}410421DEM{n:05d}"
    for org in ORG_ALPHABET:
        if org not in USCC_ALPHABET:
            continue
        for check in USCC_ALPHABET:
            code = body + org + check
            if identifiers.uscc_problem(code) is None and identifiers.uscc_org_part_ok(code):
                return code
    raise ValueError(f"no check digits fit {body}")


def resident_number(born: date, n: int) -> str:
    """A made-up resident number of the county with a right check digit (GB 11643-1999)."""
    body = f"410421{born:%Y%m%d}{n:03d}"
    return next(body + c for c in "0123456789X" if identifiers.ric_problem(body + c) is None)


def _write_xlsx(path: Path, dataset: Dataset, rows: Iterable[dict[str, Any]]) -> None:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("填报")
    sheet.append([f.cn for f in dataset.fields])
    for row in rows:
        sheet.append([row.get(f.column) for f in dataset.fields])
    book.save(path)


def _write_csv(path: Path, dataset: Dataset, rows: Iterable[dict[str, Any]]) -> None:
    # As a Chinese Excel saves it; headings are the national codes here, as a program would write them.
    with path.open("w", encoding="gb18030", newline="") as file:
        writer = csv.DictWriter(file, [f.column for f in dataset.fields], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
