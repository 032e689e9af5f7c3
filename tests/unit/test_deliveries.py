"""When a copy is due and under which number it travels: the rule of our books, without a server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_platforms.books import Entry, next_revision, plan
from credit_platforms.receipts import struck
from credit_platforms.rendering import Want

A, B, END = Want("put", b"a"), Want("put", b"b"), Want("end", b"end")
HELD_A = Entry("accepted", "put", 1, b"a", "put", b"a", 1, "put", b"a", 1)


def test_nothing_is_kept_of_a_record_that_was_never_wanted():
    assert plan(None, END, 1) is None


def test_a_new_record_is_due_under_its_own_revision():
    assert plan(None, A, 3) == Entry("due", "put", 3, b"a")


def test_what_is_acknowledged_as_wanted_is_not_due():
    assert plan(HELD_A, A, 1) is None
    assert plan(HELD_A, A, 5) is None  # a revision that changes nothing of what travels


@pytest.mark.parametrize(("want", "revision", "number"), [(B, 2, 2), (B, 1, 2), (END, 1, 2), (END, 4, 4)])
def test_other_content_takes_another_number(want, revision, number):
    made = plan(HELD_A, want, revision)
    assert (made.state, made.want_revision) == ("due", number)


def test_what_is_out_is_left_alone_but_what_is_wanted_is_noted():
    out = HELD_A._replace(state="sent", sent_digest=b"b", sent_revision=2)
    made = plan(out, END, 3)
    assert (made.state, made.want, made.sent_digest, made.sent_revision) == ("sent", "end", b"b", 2)


def test_content_that_came_back_is_not_sent_again_but_other_content_is():
    back = HELD_A._replace(state="rejected", want_digest=b"b", want_revision=2, sent_digest=b"b", sent_revision=2)
    assert plan(back, B, 2) is None
    assert plan(back, Want("put", b"c"), 3).state == "due"
    assert plan(back, A, 3).state == "accepted"  # corrected back to what is held there


def test_what_never_left_needs_no_end():
    made = plan(Entry("due", "put", 1, b"a"), END, 2)
    assert (made.state, made.acked_want) == ("accepted", "end")


def test_a_manual_end_stays_manual_until_the_record_is_wanted_again():
    manual = HELD_A._replace(state="manual", want="end", want_digest=b"end")
    assert plan(manual, END, 2).state == "manual"
    assert plan(manual, B, 3).state == "due"
    assert plan(manual, A, 3).state == "accepted"


contents = st.sampled_from([A, B, END])


@given(st.lists(st.tuples(contents, st.integers(0, 2), st.booleans()), min_size=1, max_size=30))
def test_a_number_is_never_used_for_two_contents_and_numbers_only_grow(steps):
    """Whatever is wanted when, and whether the answer was yes or no."""
    entry, revision, used, last = None, 1, {}, 0
    for want, growth, accepted in steps:
        revision += growth
        entry = plan(entry, want, revision) or entry
        if entry is None or entry.state != "due":
            continue
        number = next_revision(entry, want, revision)
        assert used.setdefault(number, (want.op, want.digest)) == (want.op, want.digest)
        assert number >= last
        last = number
        entry = entry._replace(sent_want=want.op, sent_digest=want.digest, sent_revision=number)
        if accepted:
            entry = entry._replace(state="accepted", acked_want=want.op, acked_digest=want.digest)
        else:
            entry = entry._replace(state="rejected")
        assert plan(entry, want, revision) is None


def test_personal_values_are_struck_out_of_what_a_destination_says():
    said = struck(
        "证件号码 11010519491231002X（李四）校验错误；另见 410421199001010011。", ["李四", "11010519491231002X"]
    )
    assert said == "证件号码 ***（***）校验错误；另见 410421********"
