"""UUIDv7: order, uniqueness and the time inside."""

import itertools
import os
import threading
import time
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_schemas import uuid7 as module
from credit_schemas.uuid7 import uuid7, uuid7_time

# RFC 9562, appendix A.6
RFC_EXAMPLE = uuid.UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")


def test_the_example_of_the_rfc_is_read():
    assert uuid7_time(RFC_EXAMPLE) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


@given(st.integers(0, 253_402_300_799_999))
def test_an_id_carries_version_variant_and_exactly_the_given_time(ms):
    made = uuid7(ms)
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == ms
    assert uuid7_time(made).timestamp() == pytest.approx(ms / 1000, abs=1e-4)


def test_ids_of_one_thread_grow_strictly():
    made = [uuid7() for _ in range(20_000)]
    assert all(a < b for a, b in itertools.pairwise(made))


def test_ids_of_the_same_given_millisecond_grow_strictly():
    made = [uuid7(1_700_000_000_000) for _ in range(2_000)]
    assert all(a < b for a, b in itertools.pairwise(made))
    assert {m.int >> 80 for m in made} == {1_700_000_000_000}


def test_a_clock_set_back_does_not_turn_the_order(monkeypatch):
    before = uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)
    after = [uuid7() for _ in range(100)]
    assert before < after[0]
    assert all(a < b for a, b in itertools.pairwise(after))


def test_played_past_days_leave_the_clock_alone():
    uuid7(4_000_000_000_000)
    assert abs(uuid7_time(uuid7()) - datetime.now(UTC)).total_seconds() < 5


def test_threads_never_share_an_id():
    made: list[list[uuid.UUID]] = [[] for _ in range(8)]

    def fill(ids):
        ids.extend(uuid7() for _ in range(5_000))

    threads = [threading.Thread(target=fill, args=(ids,)) for ids in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # By their first 96 bits: the counter alone must tell them apart, without the help of the random tail.
    assert len({u.int >> 32 for ids in made for u in ids}) == 40_000
    assert all(a < b for ids in made for a, b in itertools.pairwise(ids))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forking exists on POSIX only")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_does_not_continue_its_parents_counter():
    ms = 1_800_000_000_000
    uuid7(ms)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, uuid7(ms).bytes)
        os._exit(0)
    os.waitpid(child, 0)
    theirs = uuid.UUID(bytes=os.read(reader, 16))
    os.close(reader)
    os.close(writer)
    assert theirs.int >> 32 != uuid7(ms).int >> 32


def test_a_child_forked_while_the_lock_is_held_still_makes_ids():
    module._restart_after_fork()
    held = module._clock._lock
    with held:
        module._restart_after_fork()
        assert uuid7().version == 7


@pytest.mark.parametrize("ms", [-1, 1 << 48])
def test_a_time_that_does_not_fit_is_refused(ms):
    with pytest.raises(ValueError, match="48 bits"):
        uuid7(ms)


@pytest.mark.parametrize(
    ("value", "reason"), [(uuid.uuid4(), "version 7"), (uuid.UUID("ffffffff-ffff-7fff-bfff-ffffffffffff"), "9999")]
)
def test_other_uuids_have_no_time(value, reason):
    with pytest.raises(ValueError, match=reason):
        uuid7_time(value)
