"""UUID version 7 (RFC 9562): the ids of events. Python has none before 3.14.

48 bits of Unix milliseconds, then a 42-bit counter (RFC 9562, 6.2, method 1) that starts at a random value in
each millisecond and grows by one, then 32 random bits. Ids made in one process therefore sort in the order in
which they were made, also when the clock stands still or is set back.
"""

import os
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTER_BITS = 42
# One bit less than the counter holds: a millisecond always has room for 2^41 ids before the counter carries
# into the time, and a carry still gives the next higher id.
_SEED_BITS = _COUNTER_BITS - 1
_MAX_MS = (1 << 48) - 1


class _Sequence:
    """Last time and counter as one integer, so that the next id is simply a larger one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self, now_ms: int, *, follow_clock: bool, count: int = 1) -> int:
        """The first of `count` states in succession."""
        with self._lock:
            last_ms = self._last >> _COUNTER_BITS
            if now_ms == last_ms or (follow_clock and now_ms < last_ms):
                first = self._last + 1
            else:
                seed = int.from_bytes(os.urandom(6)) >> (48 - _SEED_BITS)
                first = now_ms << _COUNTER_BITS | seed
            self._last = first + count - 1
            return first


_clock = _Sequence()
_given = _Sequence()


def _restart_after_fork() -> None:
    """Give a forked child fresh sequences: its parent goes on with the same counter and may hold a lock."""
    global _clock, _given
    _clock, _given = _Sequence(), _Sequence()


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=_restart_after_fork)


def uuid7(now_ms: int | None = None) -> uuid.UUID:
    """Return a new UUIDv7; safe to call from several threads.

    Args:
        now_ms: Unix time in milliseconds to stamp the id with, exactly (a test stack plays past days); ids
            with the same ``now_ms`` in succession still grow. Without it the system clock counts, and an id
            is never smaller than the one before it, even if the clock is set back.

    Raises:
        ValueError: if ``now_ms`` does not fit into 48 bits.
    """
    if now_ms is None:
        state = _clock.next(time.time_ns() // 1_000_000, follow_clock=True)
    elif 0 <= now_ms <= _MAX_MS:
        state = _given.next(now_ms, follow_clock=False)
    else:
        raise ValueError("now_ms must be Unix milliseconds of at most 48 bits")
    return uuid.UUID(int=_number(state, int.from_bytes(os.urandom(4))))


def uuid7_bytes(count: int) -> list[bytes]:
    """Return ``count`` new UUIDv7 in growing order, as the 16 bytes of each; of the system clock, as ``uuid7()``."""
    if count < 1:
        return []
    first = _clock.next(time.time_ns() // 1_000_000, follow_clock=True, count=count)
    random = os.urandom(4 * count)
    return [_number(first + i, int.from_bytes(random[4 * i : 4 * i + 4])).to_bytes(16) for i in range(count)]


def uuid7_texts(count: int, now_ms: int) -> list[str]:
    """Return ``count`` new UUIDv7 in growing order as text, stamped as by ``uuid7(now_ms)``.

    Raises:
        ValueError: if ``now_ms`` does not fit into 48 bits.
    """
    if not 0 <= now_ms <= _MAX_MS:
        raise ValueError("now_ms must be Unix milliseconds of at most 48 bits")
    first = _given.next(now_ms, follow_clock=False, count=count)
    random = os.urandom(4 * count)
    digits = [f"{_number(first + i, int.from_bytes(random[4 * i : 4 * i + 4])):032x}" for i in range(count)]
    return [f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}" for d in digits]


def _number(state: int, random: int) -> int:
    milliseconds, counter = state >> _COUNTER_BITS, state & ((1 << _COUNTER_BITS) - 1)
    # unix_ts_ms 48 | version 4 | counter, high 12 | variant 2 | counter, low 30 | random 32
    return (
        milliseconds << 80 | 7 << 76 | (counter >> 30) << 64 | 0b10 << 62 | (counter & ((1 << 30) - 1)) << 32 | random
    )


def uuid7_time(u: uuid.UUID) -> datetime:
    """Return the moment a UUIDv7 carries, in UTC, to the millisecond.

    Raises:
        ValueError: if ``u`` is not of version 7, or its time lies beyond the year 9999.
    """
    if u.version != 7:
        raise ValueError("not a version 7 UUID")
    try:
        return _EPOCH + timedelta(milliseconds=u.int >> 80)
    except OverflowError:
        raise ValueError("the UUID's time lies beyond the year 9999") from None
