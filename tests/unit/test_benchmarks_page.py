"""The benchmark page says what was measured: its table comes from results.json, and from nothing else."""

from __future__ import annotations

from bench import report


def test_the_page_shows_the_results_as_they_are() -> None:
    assert report.written() == report.table(report.read())


def test_a_figure_that_misses_its_goal_is_not_called_met() -> None:
    results = report.read() | {"ratios": {"road_vs_copy_limit": 0.69, "visible_vs_polled_p99": 4.1}}
    shown = report.table(results | {"consumer_peak_mb": 300})
    rows = {line.split("|")[1].strip(): line for line in shown.splitlines() if line.startswith("| `")}
    assert rows["`road_vs_copy_limit`"].endswith("| 0.69 | ≥ 0.7 | not met |")
    assert rows["`visible_vs_polled_p99`"].endswith("| 4.10 | ≤ 4 | not met |")
    assert rows["`consumer_peak_mb`"].endswith("| 300 MB | ≤ 300 | met |")
    assert rows["`road_vs_quix_upsert`"].endswith("| not measured | ≥ 5 |  |")


def test_a_trial_with_few_records_stored_is_no_answer_to_the_goal() -> None:
    trial = {"day": "2026-11-24", "minutes": 1.0, "load_before": 0.1, "stored": 50_000}
    results = report.read() | {"ratios": {"stored_10m_vs_empty": 0.95}, "parts": {"stored": trial}}
    assert "| 0.95 with 50,000 stored | ≥ 0.8 | trial |" in report.table(results)
