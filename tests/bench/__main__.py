"""`make bench`: every measurement, written to results.json beside this file."""

from __future__ import annotations

import json
import os
import platform
from datetime import date
from pathlib import Path

from bench import bench_road, bench_rules

RESULTS = Path(__file__).with_name("results.json")

results = {
    "day": date.today().isoformat(),
    "python": platform.python_version(),
    "cores": os.cpu_count(),
    "rules": bench_rules.figures(),
    "road": bench_road.measure(),
}
RESULTS.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
print(RESULTS.read_text(encoding="utf-8"))
