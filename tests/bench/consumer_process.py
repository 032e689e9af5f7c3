"""A consumer over a backlog, as a process: `python -m bench.consumer_process GROUP IDLE_SECONDS BATCH`.

Ends when nothing has come for so long, and prints what it did as JSON: counts, peak memory (VmHWM, MB), CPU seconds.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

from credit_consumer.run import consume
from credit_warehouse.settings import load_settings

if __name__ == "__main__":
    group, idle_s, batch = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    counts = consume(
        load_settings(), until_idle=idle_s, group=group, kafka={"max_poll_records": batch} if batch else {}
    )
    # VmHWM, not ru_maxrss: that one survives exec and would report the bench's own size.
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    told = {"counts": counts, "peak_mb": int(peak[1]) / 1024 if peak else 0.0, "cpu_s": time.process_time()}
    print(json.dumps(told))
