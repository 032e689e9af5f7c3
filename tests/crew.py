"""Consumers as processes of their own that start at once, for tests that kill hundreds of them.

They are forked from a server that has read the program already (multiprocessing's forkserver); apart from that each is
what `loader.py` is: settings from the environment, connections of its own, a pid that can be killed and frozen.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from events import World

# The shortest session the broker allows by default.
SESSION_MS = 6000
_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["credit_consumer.run", "credit_consumer.pipeline", "credit_warehouse.settings"])


@contextmanager
def crew(
    world: World, count: int = 1, *, group: str = "center.loader", session_ms: int = SESSION_MS, **settings: str
) -> Iterator[list[BaseProcess]]:
    """`count` consumers of one group; what still runs at the end is killed. `settings` change the environment."""
    environment = {**world.environment(), **settings}
    processes = []
    try:
        for _ in range(count):
            process = _FORKED.Process(target=_consume, args=(environment, group, session_ms), daemon=True)
            process.start()
            processes.append(process)
        yield processes
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


def _consume(environment: Mapping[str, str], group: str, session_ms: int) -> None:
    os.environ.update(environment)
    # What a consumer says of its troubles would fill the test's output.
    quiet = os.open(os.environ.get("CREW_LOG", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    import logging

    from credit_consumer.run import consume
    from credit_warehouse.settings import load_settings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.WARNING)
    kafka: dict[str, Any] = {"session_timeout_ms": session_ms, "heartbeat_interval_ms": session_ms // 10}
    consume(load_settings(), group=group, kafka=kafka)


def ends(world: World, units: Any = None) -> dict[str, int]:
    """Where the log of each intake topic ends now."""
    from kafka import KafkaConsumer, TopicPartition

    kafka = KafkaConsumer(**world.county.client("center.consumer"), enable_auto_commit=False)
    try:
        found = kafka.end_offsets([TopicPartition(world.county.intake(u), 0) for u in units or world.county.units])
    finally:
        kafka.close()
    return {p.topic: end for p, end in found.items()}


def reached(world: World, wanted: Mapping[str, int]) -> bool:
    """Whether every topic has been read up to there (of topics made anew the newest counts)."""
    stored = world.query(
        "SELECT DISTINCT ON (t.name) t.name, p.next_offset FROM ingest.position p JOIN ingest.topic t USING (topic_id)"
        " ORDER BY t.name, t.first_seen DESC"
    )
    positions = {s["name"]: s["next_offset"] for s in stored}
    return all(positions.get(topic, 0) >= end for topic, end in wanted.items())
