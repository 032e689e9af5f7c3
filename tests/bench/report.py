"""docs/benchmarks.md: its table is written from results.json, so that both say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("results.json")
PAGE = ROOT / "docs" / "benchmarks.md"
_BEGIN, _END = "<!-- from results.json: begin -->\n", "<!-- from results.json: end -->\n"

# Key, what it is, goal ("≥" or "≤" and the number), as issue 5 has them.
GOALS: tuple[tuple[str, str, str, float], ...] = (
    ("road_vs_copy_limit", "whole load path ÷ COPY BINARY of the very same rows into the same tables", "≥", 0.7),
    ("road_vs_debezium_upsert", "whole load path ÷ Debezium JDBC sink upserting one table", "≥", 2.5),
    ("single_table_vs_debezium_upsert", "our decode and upsert alone ÷ the same", "≥", 4),
    ("road_vs_quix_upsert", "whole load path ÷ Quix Streams' PostgreSQL sink into one table", "≥", 5),
    ("two_consumers_vs_one", "two consumer processes ÷ one, 40 units", "≥", 1.25),
    ("stored_10m_vs_empty", "rate with 10,000,000 records stored ÷ into empty tables", "≥", 0.8),
    ("publish_vs_bare_send", "SDK ÷ kafka-python's bare send of the same bytes", "≥", 0.5),
    ("visible_vs_polled_p99", "p99 publish → visible in core ÷ p99 publish → polled, 1,000 events/s", "≤", 4),
    ("quality_10m_vs_1m", "quality run over the same new slice, 10 M stored ÷ 1 M", "≤", 1.2),
)
PEAK_GOAL_MB = 300
# What "10 M" in two of the keys means, and which part measures them.
FULL_STORE = 10_000_000
_PART_OF = {"stored_10m_vs_empty": "stored", "quality_10m_vs_1m": "quality"}


def table(results: dict[str, Any]) -> str:
    """The measured part of the page, as Markdown. What was not measured says so."""
    ratios, machine = results["ratios"], results["machine"]
    lines = [
        f"On {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, shared by all sides.",
        "",
        "| key | measured as | figure | goal | |",
        "|---|---|---|---|---|",
    ]
    for key, what, sign, goal in GOALS:
        value = ratios.get(key)
        figure, verdict = _figure(value), _met(value, sign, goal)
        # A figure of a small trial is no answer to the goal.
        stored = results["parts"].get(_PART_OF.get(key, ""), {}).get("stored", FULL_STORE)
        if value is not None and stored < FULL_STORE:
            figure, verdict = f"{figure} with {stored:,} stored", "trial"
        lines.append(f"| `{key}` | {what} | {figure} | {sign} {goal:g} | {verdict} |")
    peak = results.get("consumer_peak_mb")
    shown = "not measured" if peak is None else f"{peak:.0f} MB"
    lines.append(
        f"| `consumer_peak_mb` | peak memory (VmHWM) of a consumer over a backlog of 40 units | {shown}"
        f" | ≤ {PEAK_GOAL_MB} | {_met(peak, '≤', PEAK_GOAL_MB)} |"
    )
    lines += ["", "| side | median, rows/s | rounds |", "|---|---|---|"]
    for name, told in results["rates"].items():
        rounds = ", ".join(f"{r:,.0f}" for r in told["rounds"])
        lines.append(f"| {name} | {told['median']:,.0f} | {rounds} |")
    lines += ["", "| part | day | minutes | load before | size |", "|---|---|---|---|---|"]
    for name, part in results["parts"].items():
        size = ", ".join(f"{k} {v:,}" for k, v in part.items() if k not in ("day", "minutes", "load_before"))
        lines.append(f"| {name} | {part['day']} | {part['minutes']} | {part['load_before']} | {size} |")
    for title, told in results["details"].items():
        lines += ["", f"{title}: " + ", ".join(f"{k} {v}" for k, v in told.items()) + "."]
    versions = ", ".join(f"{k} {v}" for k, v in results["versions"].items())
    return "\n".join([*lines, "", f"Versions: {versions}.", ""])


def read() -> dict[str, Any]:
    """The results as they were last written."""
    found: dict[str, Any] = json.loads(RESULTS.read_text("utf-8"))
    return found


def write(results: dict[str, Any]) -> None:
    """Put the results beside the bench and the table into the page."""
    RESULTS.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    before, _, rest = PAGE.read_text("utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    PAGE.write_text(f"{before}{_BEGIN}{table(results)}{_END}{after}", encoding="utf-8")


def written() -> str:
    """The measured part of the page as it stands."""
    return PAGE.read_text("utf-8").partition(_BEGIN)[2].partition(_END)[0]


def _figure(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f}"


def _met(value: float | None, sign: str, goal: float) -> str:
    if value is None:
        return ""
    return "met" if (value >= goal if sign == "≥" else value <= goal) else "not met"
