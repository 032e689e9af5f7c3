"""What a unit lost and sends again (`ce_resent`) never overwrites what it made later, and is told so; all else counts.

Every test also holds the warehouse against the fold of its log.
"""

from __future__ import annotations

import zlib

import pytest

import acts_support
from acts_support import NOT_UPHELD, UPHELD, number, record, told
from credit_schemas.envelope import RESENT
from events import Event, World
from fold import assert_holds, fold_events
from unit.rows import PENALTY

# A fixture, taken by name.
world = acts_support.world

FIRST, SECOND = "罚款500元，先报的", "罚款500元，后来更正的"


class Story:
    """One record's events: made in one order, come in another."""

    def __init__(self, world: World, document: str) -> None:
        self.world, self.document, self.log = world, document, []

    def report(self, content: str, **more) -> Event:
        row = {**PENALTY, "CF_WSH": self.document, "CF_NR": content}
        return self.world.event("market", row, **more)

    def feed(self, *events: Event) -> dict[str, int]:
        self.log += events
        return self.world.feed(*events)

    def agrees(self) -> None:
        assert_holds(self.world, fold_events(self.world, self.log), about=self.document)


@pytest.fixture
def story(world, request):
    made = Story(world, f"重〔2026〕{zlib.crc32(request.node.name.encode())}号")
    yield made
    made.agrees()


def again(event: Event) -> Event:
    """The event as its spool sends it once more."""
    return event.__class__(event.ce_id, event.unit, event.key, event.value, [*event.headers, RESENT])


def content(story: Story, first: Event) -> tuple[str, int]:
    found = record(story.world, first)
    return found["cf_nr"], found["revision"]


@pytest.mark.parametrize("batches", [1, 2])
def test_older_content_that_is_sent_again_is_refused_and_told(story, batches):
    lost, read = story.report(FIRST), story.report(SECOND)
    if batches == 1:
        assert story.feed(read, again(lost), again(read)) == {"loaded": 1, "rejected": 1, "duplicate": 1}
    else:
        story.feed(read)
        assert story.feed(again(lost), again(read)) == {"rejected": 1, "duplicate": 1}
    assert content(story, read) == (SECOND, 1)
    (receipt,) = story.world.receipts(lost)
    assert (receipt["status"], receipt["record_no"]) == ("rejected", str(read.ce_id))
    (problem,) = [p for p in receipt["problems"] if p["severity"] == "reject"]
    assert problem["rule"] == "record.newer"
    assert "补发" in problem["message"]
    assert "重新报送" in problem["message"]


def test_who_does_report_it_once_more_is_heard(story):
    lost, read = story.report(FIRST), story.report(SECOND)
    story.feed(read, again(lost))
    story.feed(story.report(FIRST))
    assert content(story, read) == (FIRST, 2)


def test_the_same_content_sent_again_is_unchanged(story):
    lost, read = story.report(FIRST), story.report(FIRST)
    story.feed(read)
    assert story.feed(again(lost)) == {"unchanged": 1}
    assert content(story, read) == (FIRST, 1)


def test_what_was_lost_whole_is_told_once_more_in_its_order(story):
    first, second = story.report(FIRST), story.report(SECOND)
    assert story.feed(again(first), again(second)) == {"loaded": 2}
    assert content(story, first) == (SECOND, 2)


def test_a_newer_correction_that_was_lost_still_corrects(story):
    first, lost = story.report(FIRST), story.report(SECOND)
    story.feed(first)
    assert story.feed(again(lost)) == {"loaded": 1}
    assert content(story, first) == (SECOND, 2)


@pytest.mark.parametrize("batches", [1, 2])
def test_what_lies_between_two_reports_of_one_content_is_refused_too(story, batches):
    """The last word was the first content once more: it changed nothing, and still it is the last word."""
    first, lost, last = story.report(FIRST), story.report(SECOND), story.report(FIRST)
    story.feed(first)
    if batches == 1:
        story.feed(last, again(lost))
    else:
        story.feed(last)
        story.feed(again(lost))
    assert content(story, first) == (FIRST, 1)
    assert told(story.world, lost) == ("rejected", ["record.newer"])


def test_a_later_row_that_was_refused_is_no_last_word(story):
    """Nor is its repetition, which lands as unchanged."""
    first, lost = story.report(FIRST), story.report(SECOND)
    later, repeated = story.report("罚款"), story.report("罚款")
    story.feed(first)
    taken = story.world.act("market", "withdraw", **number(first))
    back = story.world.act("market", "reinstate", **number(first))
    assert story.feed(taken, later) == {"loaded": 1, "rejected": 1}
    story.feed(repeated)
    assert story.world.landed(repeated)["state"] == "unchanged"
    assert story.feed(back) == {"loaded": 1}
    assert story.feed(again(lost)) == {"loaded": 1}
    assert content(story, first) == (SECOND, 4)


@pytest.mark.parametrize("resent_since", [False, True])
def test_a_clock_that_was_put_back_can_correct(story, resent_since):
    """Made later under a lower id: only what is sent again is judged by its id."""
    low, first = story.report(SECOND), story.report(FIRST)
    story.feed(first)
    other = story.report(FIRST)
    assert story.feed(low, *([again(other)] if resent_since else [])) == {"loaded": 1 + resent_since}
    assert content(story, first) == ((FIRST, 3) if resent_since else (SECOND, 2))


def test_an_act_sent_again_after_a_later_one_of_its_unit_is_refused_and_told(story):
    first = story.report(FIRST)
    lost = story.world.act("market", "withdraw", **number(first))
    last = story.world.act("market", "reinstate", **number(first))
    story.feed(first)
    assert story.feed(last) == {"unchanged": 1}
    assert story.feed(again(lost)) == {"rejected": 1}
    assert record(story.world, first)["state"] == "active"
    (receipt,) = story.world.receipts(lost)
    (problem,) = [p for p in receipt["problems"] if p["severity"] == "reject"]
    assert (problem["rule"], "重新提交" in problem["message"]) == ("record.newer", True)


def test_an_act_sent_again_that_was_done_once_more_since_is_unchanged(story):
    first = story.report(FIRST)
    lost, done = (story.world.act("market", "withdraw", **number(first)) for _ in range(2))
    story.feed(first, done)
    assert story.feed(again(lost)) == {"unchanged": 1}
    assert record(story.world, first)["revision"] == 2


def test_an_act_sent_again_before_a_later_correction_is_done(story):
    """A correction says nothing of what is to be done to the record."""
    first = story.report(FIRST)
    lost, later = story.world.act("market", "withdraw", **number(first)), story.report(SECOND)
    story.feed(first, later)
    assert story.feed(again(lost)) == {"loaded": 1}
    assert record(story.world, first)["state"] == "withdrawn"


def test_acts_of_other_units_overtake_nothing(story):
    first = story.report(FIRST)
    lost = story.world.act("market", "revoke", **number(first))
    story.feed(first)
    story.feed(story.world.act("reform", "dispute_open", **number(first)))
    story.feed(story.world.act("reform", "dispute_close", **number(first), **UPHELD))
    assert story.feed(again(lost)) == {"loaded": 1}
    assert record(story.world, first)["ended_why"] == "revoked"


def test_an_act_of_another_unit_is_held_against_that_units_later_acts(story):
    first = story.report(FIRST)
    lost = story.world.act("reform", "dispute_open", **number(first))
    opened = story.world.act("reform", "dispute_open", **number(first))
    closed = story.world.act("reform", "dispute_close", **number(first), **NOT_UPHELD)
    story.feed(first)
    story.feed(opened, closed)
    assert story.feed(again(lost)) == {"rejected": 1}
    assert record(story.world, first)["disputed"] is False


def test_a_correction_sent_again_before_its_record_waits_and_is_done(story):
    first = story.report(FIRST)
    lost = story.report(SECOND, act="correct", target={"record_no": str(first.ce_id)})
    assert story.feed(again(lost)) == {"waiting": 1}
    assert story.feed(first) == {"loaded": 1}
    assert content(story, first) == (SECOND, 2)
