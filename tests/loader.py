"""A consumer as a process of its own, for tests that kill or freeze it.

`python tests/loader.py [session timeout ms [group]]`; settings come from the environment, as for any service.
Consumers of different groups all own every topic: each of their batches is a race.
"""

from __future__ import annotations

import logging
import sys

from credit_consumer.run import consume
from credit_warehouse.settings import load_settings

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.WARNING)
    session_ms = int(sys.argv[1]) if len(sys.argv) > 1 else 45_000
    group = {"group": sys.argv[2]} if len(sys.argv) > 2 else {}
    kafka = {"session_timeout_ms": session_ms, "heartbeat_interval_ms": session_ms // 10}
    consume(load_settings(), kafka=kafka, **group)
