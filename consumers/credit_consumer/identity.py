"""Which record an event is about, and what it makes of it (DESIGN, "Identity"): no database here, only what is known.

A record has one `record_no` for life, the `ce_id` of its first report. It is found by the target an act names, else by
the department's source key, else by the natural key as last reported or as it was before a correction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from credit_schemas.acts import STATE_NAMES
from credit_schemas.problems import Problem

from .normalise import Act, Content, Ready, Target
from .standing import CLOSED, State, apply_act, state_of


@dataclass(slots=True)
class Record:
    """A record as the warehouse holds it, or as the events of this batch have made it so far.

    Attributes:
        was: Its revision in the warehouse; 0 for a record that the batch opens.
        withdrawn, ended_why, disputed: The facts its state follows from, see `standing`.
        revised_at: When its content last changed; acts leave it alone, so that an older row that is replayed after an
            act still counts.
        closed_by: The unit that withdrew or ended it; of several the first that is not the record's own.
        acted_at: When an act was last done to it.
        acts: The acts of this batch, with the revision each made.
        latest: The event whose content it has now; None while the batch has not changed it.
        first: The event that opened it; None for a record that the warehouse already held.
        answers: The last event of its own unit that changed it: what destinations say of it answers that one.
        moved: The batch has changed its natural key.
        adopted: The batch has given it the department's own key.
    """

    record_no: UUID
    unit: str
    revision: int
    was: int
    source_key: str | None
    natural_key: bytes
    content_digest: bytes
    revised_at: datetime | None = None
    withdrawn: bool = False
    ended_why: str | None = None
    disputed: bool = False
    closed_by: str | None = None
    acted_at: datetime | None = None
    acts: list[tuple[Ready, Act, int]] = field(default_factory=list)
    latest: Ready | None = None
    first: Ready | None = None
    answers: UUID | None = None
    moved: bool = False
    adopted: bool = False

    @property
    def state(self) -> State:
        """The state that follows from its facts."""
        return state_of(withdrawn=self.withdrawn, ended_why=self.ended_why, disputed=self.disputed)


@dataclass
class Book:
    """The records of one dataset that a batch may touch, found by each of their keys.

    `replaced` holds (record, content, content that replaced it within one file): sending such a file again is no
    correction back and forth (STANDARDS 9, row 2).

    `newest` holds, by (record, unit, whether content), the highest `ce_id` among the unit's reports and corrections, or
    among its acts, that were done or found done; None unless the batch has events that were sent again. What a unit
    lost and sends again must not overwrite what it made later. An id alone says nothing: a clock may have been put
    back.
    """

    by_no: dict[UUID, Record] = field(default_factory=dict)
    by_key: dict[bytes, Record] = field(default_factory=dict)
    by_source: dict[tuple[str, str], Record] = field(default_factory=dict)
    former: dict[bytes, UUID] = field(default_factory=dict)
    new_former: dict[bytes, UUID] = field(default_factory=dict)
    replaced: set[tuple[UUID, bytes, bytes]] = field(default_factory=set)
    newest: dict[tuple[UUID, str, bool], UUID] | None = None

    def add(self, record: Record) -> None:
        """Enter a record under its keys."""
        self.by_no[record.record_no] = record
        self.by_key[record.natural_key] = record
        if record.source_key:
            self.by_source[record.unit, record.source_key] = record

    def by_natural_key(self, key: bytes) -> Record | None:
        """The record that has this key, or had it before a correction."""
        found = self.by_key.get(key)
        if found is None and key in self.former:
            found = self.by_no.get(self.former[key])
        return found

    def note(self, event: Ready, record_no: UUID) -> None:
        """Keep that the event was done, or found done."""
        if self.newest is not None:
            name = (record_no, event.unit, event.act is None)
            self.newest[name] = max(event.ce_id, self.newest.get(name, event.ce_id))

    def overtaken(self, event: Ready, record: Record) -> bool:
        """Whether the event was sent again, and its unit made a later one about this record that has come already."""
        if not event.event.envelope.resent or self.newest is None:
            return False
        return event.ce_id < self.newest.get((record.record_no, event.unit, event.act is None), event.ce_id)


class Outcome(NamedTuple):
    """What an event came to: its state in landing, the record and revision, and what the unit is told."""

    state: Literal["accepted", "unchanged", "rejected", "waiting"]
    record_no: UUID | None
    revision: int | None
    problems: list[Problem]
    note: str = ""


def settle(event: Ready, book: Book, *, replayed: bool = False) -> Outcome:
    """Apply one event to the book.

    `replayed` events are old: they never overwrite what came after them. What was sent again (`ce_resent`) never
    overwrites what its unit made later.
    """
    if event.act is not None:
        outcome = _settle_act(event, event.act, book, replayed=replayed)
    elif event.content is not None:
        outcome = _settle_content(event, event.content, book, replayed=replayed)
    else:
        state: Literal["rejected", "waiting"] = "waiting" if event.verdict == "waiting" else "rejected"
        return Outcome(state, None, None, event.problems)
    if outcome.record_no is not None and outcome.state != "rejected":
        book.note(event, outcome.record_no)
    return outcome


def _settle_content(event: Ready, content: Content, book: Book, *, replayed: bool) -> Outcome:
    found = _find(event, content, book)
    if isinstance(found, Outcome):
        return found
    if found is None:
        return _open(event, content, book)
    holder = book.by_key.get(content.natural_key)
    if holder is not None and holder is not found:
        text = "这一行的机关代码、文号、相对人和决定日期与另一条已入库的记录相同；请核对后按那一条更正。"
        return _refused(event, found, "record.key_taken", text)
    if found.state in CLOSED:
        if found.content_digest == event.content_digest:
            note = f"内容与已入库的一致；这条记录{STATE_NAMES[found.state]}，重新报送不会使它恢复。"
            return Outcome("unchanged", found.record_no, found.revision, event.problems, note)
        text = f"这条记录{STATE_NAMES[found.state]}，重新报送不会使它恢复；确需恢复的，请先提交“恢复”操作并写明原因。"
        return _refused(event, found, "record.ended", text)
    if content.source_key and not found.source_key and (found.unit, content.source_key) not in book.by_source:
        # A department that begins to give its own keys: the record takes it, so that it is found by it next time.
        found.source_key, found.adopted = content.source_key, True
        book.by_source[found.unit, content.source_key] = found
    if found.content_digest == event.content_digest:
        return Outcome("unchanged", found.record_no, found.revision, event.problems, "内容与已入库的一致，没有变化。")
    if replayed and found.revised_at and event.received_at < found.revised_at:
        text = "这一行是较早报送的，之后已有更新的内容入库，没有采用；如需改回，请重新报送。"
        return _refused(event, found, "record.newer", text)
    if book.overtaken(event, found):
        text = "这一行是补发的，本单位之后报送的内容已先入库，没有采用；请核对，如应以这一行为准，请重新报送一次。"
        return _refused(event, found, "record.newer", text)
    envelope = event.event.envelope
    if envelope.act == "report" and (found.record_no, event.content_digest, found.content_digest) in book.replaced:
        note = "同一个文件里后面的一行取代了这一行，并且已经入库，没有变化。"
        return Outcome("unchanged", found.record_no, found.revision, event.problems, note)
    if envelope.replaces and event.content_digest:
        book.replaced.add((found.record_no, found.content_digest, event.content_digest))
    _revise(event, content, found, book)
    note = f"按更正处理，现为第 {found.revision} 版。"
    return Outcome("accepted", found.record_no, found.revision, event.problems, note)


def _settle_act(event: Ready, act: Act, book: Book, *, replayed: bool) -> Outcome:
    found = _targeted(act.target, act.owner, book)
    if found is None:
        return _waiting(event)
    if isinstance(found, Problem):
        return Outcome("rejected", None, None, [*event.problems, found])
    answer = apply_act(event, act, found, replayed=replayed, overtaken=book.overtaken(event, found))
    if isinstance(answer, Problem):
        return Outcome("rejected", found.record_no, found.revision, [*event.problems, answer])
    if answer is not None:
        return Outcome("unchanged", found.record_no, found.revision, event.problems, answer)
    note = f"已办理，这条记录现在是{STATE_NAMES[found.state]}（第 {found.revision} 版）。"
    return Outcome("accepted", found.record_no, found.revision, event.problems, note)


def changed(books: Iterable[Book]) -> list[Record]:
    """The records to which the batch did anything, in the order in which they were entered."""
    return [r for book in books for r in book.by_no.values() if r.latest is not None or r.acts]


def touched(books: Iterable[Book]) -> list[Record]:
    """The records whose content the batch has changed, in the order in which they were entered."""
    return [r for book in books for r in book.by_no.values() if r.latest is not None]


def _find(event: Ready, content: Content, book: Book) -> Record | Outcome | None:
    target = content.target
    if target is None:
        found = book.by_source.get((event.unit, content.source_key)) if content.source_key else None
        found = found or book.by_natural_key(content.natural_key)
        return _waiting(event) if found is None and event.event.envelope.act == "correct" else found
    named = _targeted(target, event.unit, book)
    if isinstance(named, Problem):
        return Outcome("rejected", None, None, [*event.problems, named])
    if named is not None and named.unit != event.unit:
        text = "要更正的记录不是本单位报送的；请核对回执里的 record_no。"
        return _refused(event, None, "record.other_unit", text)
    return named or _waiting(event)


def _targeted(target: Target, owner: str, book: Book) -> Record | Problem | None:
    """The record a target names: by number, by its owner's key, by the natural key as last reported.

    Whoever gives several names must mean one record with all of them: a slip in one could strike another record. Only
    a source key that nobody knows is passed over, as departments begin to use other keys.
    """
    numbered = book.by_no.get(target.record_no) if target.record_no else None
    own = book.by_source.get((owner, target.source_key)) if target.source_key else None
    natural = book.by_natural_key(target.natural_key) if target.natural_key else None
    found = {r.record_no: r for r in (numbered, own, natural) if r is not None}
    if len(found) > 1 or (found and target.record_no and numbered is None):
        text = "记录编号、来源主键和文号等指的不是同一条记录；请核对，只留有把握的一种写法。"
        return Problem("", "target.ambiguous", "reject", text)
    return next(iter(found.values()), None)


def sought(event: Ready) -> tuple[str, Target]:
    """What an event that waits says of its record: the unit that is to report it, and how to find it."""
    if event.act is not None:
        return event.act.owner, event.act.target
    content = event.content
    target = content.target if content else None
    own = Target(None, content.source_key, content.natural_key) if content else Target(None, None, None)
    return event.unit, target or own


def _waiting(event: Ready) -> Outcome:
    text = "所指的记录还没有入库，这项操作已保留，记录入库后自动办理；请核对所指的记录，或先报送原记录。"
    act = event.act
    if act and act.anybody and act.owner == event.unit and not act.target.record_no:
        text += "记录是别的单位报的，还要填「原报送单位」，否则找不到。"
    return Outcome("waiting", None, None, [*event.problems, Problem("", "record.not_found", "warn", text)])


def _refused(event: Ready, record: Record | None, rule: str, text: str) -> Outcome:
    number, revision = (record.record_no, record.revision) if record else (None, None)
    return Outcome("rejected", number, revision, [*event.problems, Problem("", rule, "reject", text)])


def _open(event: Ready, content: Content, book: Book) -> Outcome:
    record = Record(
        record_no=event.ce_id,
        unit=event.unit,
        revision=1,
        was=0,
        source_key=content.source_key,
        natural_key=content.natural_key,
        content_digest=event.content_digest or b"",
        revised_at=event.received_at,
        latest=event,
        first=event,
        answers=event.ce_id,
    )
    book.add(record)
    return Outcome("accepted", record.record_no, 1, event.problems)


def _revise(event: Ready, content: Content, record: Record, book: Book) -> None:
    record.revision += 1
    record.content_digest = event.content_digest or b""
    # What waited for its record may be older than the record's first report.
    record.revised_at = max(record.revised_at or event.received_at, event.received_at)
    record.latest, record.answers = event, event.ce_id
    if content.natural_key != record.natural_key:
        del book.by_key[record.natural_key]
        # A key that was another record's before stays that one's.
        if record.natural_key not in book.former:
            book.former[record.natural_key] = book.new_former[record.natural_key] = record.record_no
        record.natural_key = content.natural_key
        book.by_key[content.natural_key] = record
        record.moved = True
