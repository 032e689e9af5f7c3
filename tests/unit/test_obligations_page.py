"""The page about duties says of every row of the annex what the county's data says."""

from __future__ import annotations

from pathlib import Path

from credit_schemas.catalogue import Catalogue, load_catalogue
from credit_schemas.county import SHIPPED
from credit_schemas.obligations import Obligation, reckoned_by, responsible

PAGE = Path(__file__).resolve().parents[2] / "docs" / "obligations.md"
PERIODS = {"monthly": "每月", "quarterly": "每季度", "yearly": "每年"}
EVERY_ROW = "test_what_a_row_of_the_annex_asks_is_received_silence_is_overdue_and_a_nil_return_is_nil"
TESTS = {
    2: "test_row_2_is_told_by_months_of_decision_from_the_ledger_and_the_records",
    16: "test_row_16_binds_only_units_that_have_somebody_on_a_list",
}


def line(catalogue: Catalogue, o: Obligation) -> str:
    datasets = [catalogue.datasets[name] for name in o.datasets]
    joined = " + " if o.fulfil == "all" else "、"
    names = joined.join(f"`{d.id}`" for d in datasets) + (f"（分母 `{o.denominators[0]}`）" if o.denominators else "")
    period = PERIODS[reckoned_by(o, catalogue.county)]
    if o.workdays:
        period = f"决定后 {o.workdays} 个工作日"
        counts = "决定的月份"
    else:
        by_label = {bool(d.column("period")) for d in datasets}
        counts = {(True,): "写明的期间", (False,): "到达日"}.get(tuple(by_label), "写明期间的按写明的，其余按到达日")
    if o.period in ("continuous", "on_demand"):
        period += "（原文没有写）"
    counts += f"；只对{o.condition}" if o.condition else ""
    counts += "；另算占比" if o.ratio_datasets else ""
    units = f"{len(responsible(o, catalogue.county))} 个" + ("，名单开放" if o.open_list else "")
    test = f"`{TESTS[o.annex_row]}`" if o.annex_row in TESTS else "每一行"
    title = o.title if len(o.title) <= 40 else o.title[:12] + "…"
    return f"| {o.annex_row} | {title} | {units} | {names} | {period} | {counts} | {test} |"


def test_the_page_tells_of_every_row_its_datasets_units_period_and_test() -> None:
    catalogue = load_catalogue(SHIPPED / "410421")
    text = PAGE.read_text(encoding="utf-8")
    made = [line(catalogue, o) for o in catalogue.county.obligations]
    kept = [x for x in text.split("## 23 行")[1].split("\n## ")[0].splitlines() if x[:2] == "| " and x[2].isdigit()]
    assert kept == made, "\n".join(["docs/obligations.md should say:", *made])
    assert f"`{EVERY_ROW}`" in text
