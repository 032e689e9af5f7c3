"""The door for programs: report records, get the answer of the check at once, be sure they arrive.

with CreditProducer("market") as p:
    answer = p.report("penalty", {"CF_WSH": "…", …}, source_key="A-1")
    if answer.verdict == "reject":
        print(answer.problems)
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice, repeat
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from credit_schemas.catalogue import Catalogue, load_catalogue
from credit_schemas.check import Checked
from credit_schemas.dataset import Dataset
from credit_schemas.envelope import STATE_ACTS
from credit_schemas.personal import holds_resident_number
from credit_schemas.problems import Change, Problem, Verdict
from credit_schemas.rules import Context
from credit_schemas.sealing import Sealer

from .attachments import AttachmentFolder, Held, check_with_files, hand_over
from .errors import BadTarget, PublishError
from .events import NOWHERE, EventMaker, Place, Target
from .lock import SenderLock
from .pipeline import Outcome, not_reportable, row_context, shown
from .publish import Publisher
from .settings import UnitSettings, read_settings, unit_config_path
from .spool import Spool, SpoolEvent

__all__ = ["Answer", "CreditProducer", "Target"]

# What the center accepts; keys are numbers or UUIDs, a longer one is a text that slipped in.
SOURCE_KEY_MAX = 200
# A sentence or two; a text without end would make an event that Kafka refuses, and all behind it would wait.
REASON_MAX = 500
# Rows of `report_many` spooled with one sync of the disk: a quarter of a second of work.
BATCH = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a reported row.

    `ce_id` finds its receipts; None where nothing was sent (rows that by law must not be reported).
    """

    ce_id: str | None
    verdict: Verdict
    problems: tuple[Problem, ...]
    changes: tuple[Change, ...]
    _dataset: Dataset = field(repr=False, compare=False)
    _values: dict[str, Any] = field(repr=False, compare=False)

    @property
    def normalised(self) -> dict[str, str]:
        """The row as it was taken: national codes as keys, ISO dates, amounts in 万元, personal numbers masked.

        Made anew each time it is asked for.
        """
        return shown(self._dataset, self.verdict, self._values)


class Kept(NamedTuple):
    """Under which `ce_id` a row is kept; None where nothing was to be sent. `unchanged`: an earlier event says it."""

    ce_id: str | None
    unchanged: bool = False


class CreditProducer:
    """Reports for one unit. A context manager; safe to share between threads of one process.

    A row is on disk when `report` returns, whether or not Kafka is there; `flush` and leaving the context send what is
    queued. A program that runs for long calls `flush` itself, say after each batch. What Kafka did not take stays in
    the spool and goes out with the next sending.
    """

    def __init__(
        self,
        unit: str,
        *,
        config: Path | None = None,
        settings: UnitSettings | None = None,
        catalogue: Catalogue | None = None,
        as_of: date | None = None,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            unit: code, name or any alias of the unit.
            config: its configuration file; `<home>/units/<code>.toml` without it.
            settings: the configuration itself, instead of a file.
            catalogue: of the county the setting CREDIT_COUNTY names, without it.
            as_of: taken for today, also as the events' own time (to play past days on a test stack).

        Raises:
            UnknownUnit, NoSettings, SettingsError.
        """
        self.catalogue = catalogue or load_catalogue()
        self.settings = settings or read_settings(config or unit_config_path(unit_code(self.catalogue, unit)))
        self._as_of = as_of
        self._lock = threading.RLock()
        # Kafka was not there when rows were sent along: not asked again for each batch, but by the next `flush`.
        self._hindered = False
        # Row to the event made of it, for the file in hand: a later row of it may be about the same record.
        self._file: str | None = None
        self._row = 0
        self._made: dict[int, str] = {}
        # Content of an act to those of earlier files that say the same and are not met again in this one yet.
        self._sent: dict[bytes, list[str]] = {}

    def __enter__(self) -> CreditProducer:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.flush()
        finally:
            self.close()

    def open(self) -> CreditProducer:
        """Open spool and sender. Raises SpoolBusy, SpoolDamaged, SlowChecksum."""
        self._publisher = Publisher(self.settings)
        with ExitStack() as opened:
            self.spool = opened.enter_context(Spool(self.settings.spool))
            self._sender = opened.enter_context(closing(SenderLock(self.settings.spool)))
            self.spool.forget_settled()
            opened.pop_all()
        self._events = EventMaker(
            self.catalogue,
            self.settings.county,
            self.settings.unit,
            self.settings.key_salt,
            Sealer(self.settings.public_key),
        )
        return self

    def close(self) -> None:
        """Close without sending; what is queued stays in the spool."""
        self._publisher.close()
        self._sender.close()
        self.spool.close()

    def context(self, dataset: Dataset) -> Context:
        """What the rules may know of a dataset's rows: today, the unit's own unified code, whom it may report for."""
        return row_context(self.catalogue, self.settings.unit, dataset, self._as_of)

    def report(
        self,
        dataset: str,
        row: Mapping[str, Any],
        *,
        source_key: str | None = None,
        attachments: Path | None = None,
    ) -> Answer:
        """Report one record: check it, and if it may go, put it into the spool and onto the road.

        Args:
            dataset: id or Chinese name.
            row: national column code to str, number, date or None.
            source_key: the department's own key of the record, the same for life.
            attachments: the folder in which the files are that the row names; sealed into the hand-over folder.

        Raises:
            UnknownDataset: no such dataset.
            ValueError: a column the dataset does not have, or an unusable source_key.
            AttachmentError: a file could not be handed over; the row was not taken.
        """
        return self._take(dataset, row, "report", source_key, None, None, attachments)

    def report_many(
        self,
        dataset: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        source_keys: Iterable[str | None] | None = None,
        attachments: Path | None = None,
    ) -> list[Answer]:
        """Report many records: as `report` for each, and many times as fast.

        Rows go into the spool by the batch, one synchronisation of the disk for each; when this returns, all are on
        disk. When it raises, those of earlier batches are, in the order given, and none of the batch in hand:
        reporting all again is safe. Batches go out while the next are checked; `flush` awaits them and tells what
        hindered it.

        Args:
            dataset: id or Chinese name.
            rows: as in `report`.
            source_keys: one for each row.
            attachments: as in `report`.

        Raises:
            UnknownDataset, ValueError, AttachmentError, SpoolUnusable: as in `report`.
        """
        about = self.catalogue.dataset(dataset)
        folder = AttachmentFolder(attachments) if attachments else None
        keys = source_keys if source_keys is not None else repeat(None)
        pairs = zip(rows, keys, strict=source_keys is not None)
        answers: list[Answer] = []
        while batch := list(islice(pairs, BATCH)):
            with _uncollected():
                answers += self._take_many(about, batch, folder)
            if len(batch) == BATCH:
                self._send_along()
        return answers

    def _take_many(
        self, dataset: Dataset, batch: list[tuple[Mapping[str, Any], str | None]], folder: AttachmentFolder | None
    ) -> list[Answer]:
        """Check rows and put them into the spool together."""
        moment, context = self._now(), self.context(dataset)
        # One step for all rows, then the next: each step's code and data stay in the processor's cache.
        judged = [self._check(dataset, row, key, context, folder) for row, key in batch]
        self._hand_over(h for checked, held in judged if held and checked.verdict != "reject" for h in held)
        events = [
            self._event(dataset, checked, row, moment, source_key=key)
            for (row, key), (checked, _) in zip(batch, judged, strict=True)
        ]
        ids = iter(self.spool.add(e for e in events if e is not None))
        return [
            _answer(None if event is None else next(ids), dataset, checked)
            for event, (checked, _) in zip(events, judged, strict=True)
        ]

    def _send_along(self) -> None:
        """Send what is queued without waiting; what hinders it is told by the next `flush`."""
        with self._lock:
            if not self._hindered:
                try:
                    self._publisher.start(self.spool)
                except PublishError:
                    self._hindered = True

    def correct(
        self,
        dataset: str,
        row: Mapping[str, Any],
        *,
        target: Target,
        reason: str,
        source_key: str | None = None,
        attachments: Path | None = None,
    ) -> Answer:
        """Replace the content of a record that was reported before; `row` is the whole record as it should be.

        Raises:
            BadTarget: the target finds no record, or the reason is empty.
            UnknownDataset, ValueError, AttachmentError: as in `report`.
        """
        target.check()
        if not (target.record_no or target.source_key or self.catalogue.dataset(dataset).citable):
            raise BadTarget("这个数据集的记录不能按文号指明；请给出回执里的 record_no，或当初上报用的 source_key。")
        if not reason.strip():
            raise BadTarget("更正要写明原因（reason）。")
        if len(reason) > REASON_MAX:
            raise BadTarget(f"更正原因最多 {REASON_MAX} 个字，请写得短一些。")
        if holds_resident_number(reason):
            raise BadTarget("更正原因里有公民身份号码；原因不加密，请不要写号码。")
        return self._take(dataset, row, "correct", source_key, target, reason.strip(), attachments)

    def act(
        self,
        act: str,
        dataset: str,
        *,
        target: Target,
        reason: str,
        basis: str | None = None,
        effective: date | None = None,
        owner: str | None = None,
        result: str | None = None,
    ) -> Answer:
        """Do something to a record that was reported: revoke, withdraw, repair, dispute_open, dispute_close, reinstate.

        Args:
            act: one of these, or its Chinese word (误报撤回 …).
            dataset: id or Chinese name of the record's dataset.
            target: which record.
            reason: why, in a sentence or two, without any number of a person.
            basis: the document it rests on; revoke, repair and dispute_close need one.
            effective: the day it takes effect; today without it.
            owner: the unit that reported the record, when it is another one and the target is no record_no.
            result: of dispute_close: 异议成立 or 异议不成立.

        Raises:
            BadTarget: the target finds no record.
            UnknownDataset: no such dataset.
        """
        target.check()
        form = self.catalogue.act
        by_role: dict[str, Any] = {
            "target.dataset": self.catalogue.dataset(dataset).cn,
            "act": act,
            "target.record_no": target.record_no,
            "target.source_key": target.source_key,
            "document.no": target.document_no,
            "authority.code": target.authority_code,
            "decision.date": target.decision_date,
            "subject.code": target.subject_code,
            "subject.id_type": target.subject_id_type,
            "subject.id_no": target.subject_id_no,
            "subject.name": target.subject_name,
            "representative.name": target.operator_name,
            "target.unit": owner,
            "dispute.result": result,
            "reason": reason,
            "basis": basis,
            "effective.date": effective or self.context(form).today,
        }
        row = {form.by_role[role].column: value for role, value in by_role.items() if value is not None}
        return self._take(form.id, row, "report", None, None, None)

    def flush(self) -> int:
        """Send everything queued and wait for Kafka's acknowledgement; returns how many events went out.

        Raises:
            PublishError: nothing is lost, see `retriable`; the events stay in the spool.
        """
        with self._lock:
            self._hindered = False
            return self._publisher.publish(self.spool)

    def resend(self, since: datetime | None = None) -> int:
        """Send again what has no final receipt yet; with `since`, everything made since then (see `Spool.requeue`)."""
        with self._lock:
            self.spool.requeue(since)
            return self.flush()

    def accept(self, dataset: Dataset, outcomes: Iterable[Outcome]) -> list[Kept]:
        """Put checked rows into the spool with one sync of the disk; their files are handed over before.

        A row of a database (one with a key) that says what its last event said is not sent again, nor is an act of a
        file that an earlier file held: else an old file would bring back what was withdrawn since. A row that by law
        must not be reported has no `ce_id`. Raises AttachmentError.
        """
        moment = self._now()
        events = []
        held: list[Held] = []
        rows = list(outcomes)
        for o in rows:
            held.extend(o.held)
            if o.file != self._file or o.row <= self._row:
                self._file, self._made, self._sent = o.file, {}, {}
            self._row = o.row
            earlier = self._made.get(o.replaces) if o.replaces else None
            place = Place(f"{o.file}/{o.key}", o.row) if o.key else Place(o.file, o.row, o.line)
            event = self._event(
                dataset, o.checked, o.cells, moment, source_key=o.source_key, place=place, replaces=earlier
            )
            events.append(event)
            if event is not None:
                self._made[o.row] = event.ce_id
        self._hand_over(held)
        known = [self._known(e, o) if e else None for e, o in zip(events, rows, strict=True)]
        kept = iter(self.spool.add(e for e, same in zip(events, known, strict=True) if e and not same))
        return [
            Kept(None) if e is None else Kept(same, True) if same else Kept(next(kept))
            for e, same in zip(events, known, strict=True)
        ]

    def _known(self, event: SpoolEvent, outcome: Outcome) -> str | None:
        """The event that said the same before, where saying it again would be once too often."""
        if event.act not in STATE_ACTS:
            return self.spool.known(event) if outcome.key else None
        if outcome.key:
            return next(iter(self.spool.acts_sent(event, event.file)), None)
        if event.digest not in self._sent:
            self._sent[event.digest] = self.spool.acts_sent(event)
        earlier = self._sent[event.digest]
        return earlier.pop(0) if earlier else None

    def _take(
        self,
        name: str,
        row: Mapping[str, Any],
        act: str,
        source_key: str | None,
        target: Target | None,
        reason: str | None,
        attachments: Path | None = None,
    ) -> Answer:
        dataset = self.catalogue.dataset(name)
        folder = AttachmentFolder(attachments) if attachments else None
        checked, held = self._check(dataset, row, source_key, self.context(dataset), folder)
        event = self._event(dataset, checked, row, self._now(), act, source_key, target, reason)
        if checked.verdict != "reject":
            self._hand_over(held)
        return _answer(self.spool.add([event])[0] if event is not None else None, dataset, checked)

    def _check(
        self,
        dataset: Dataset,
        row: Mapping[str, Any],
        source_key: str | None,
        context: Context,
        folder: AttachmentFolder | None,
    ) -> tuple[Checked, tuple[Held, ...]]:
        if not row.keys() <= dataset.by_column.keys():
            unknown = [c for c in row if c not in dataset.by_column]
            raise ValueError(f"数据集“{dataset.cn}”没有这些列：{'、'.join(unknown)}。")
        if source_key is not None and not (0 < len(source_key) <= SOURCE_KEY_MAX and source_key.isprintable()):
            raise ValueError(f"source_key 应当是 1 到 {SOURCE_KEY_MAX} 个可见字符。")
        if source_key is not None and holds_resident_number(source_key):
            raise ValueError("source_key 里有公民身份号码；它不加密，请换用本单位系统里的编号。")
        return check_with_files(dataset, row, context, folder)

    def _hand_over(self, held: Iterable[Held]) -> None:
        hand_over(self.settings.attachments, held, self.settings.unit, self.settings.public_key)

    def _event(
        self,
        dataset: Dataset,
        checked: Checked,
        cells: Mapping[str, Any],
        moment: datetime,
        act: str = "report",
        source_key: str | None = None,
        target: Target | None = None,
        reason: str | None = None,
        place: Place = NOWHERE,
        replaces: str | None = None,
    ) -> SpoolEvent | None:
        if not_reportable(checked):
            return None
        if dataset.kind == "act":
            # What is wrong with an act is told here and now; the center's figures know no refused acts.
            return None if checked.verdict == "reject" else self._events.act(checked, moment, place)
        if checked.verdict == "reject":
            return self._events.refusal(dataset, cells, checked.values, checked.problems, moment, place)
        return self._events.record(
            dataset,
            checked,
            moment,
            act=act,
            source_key=source_key,
            target=target,
            reason=reason,
            place=place,
            replaces=replaces,
        )

    def _now(self) -> datetime:
        now = datetime.now(self.catalogue.county.zone)
        return datetime.combine(self._as_of, now.timetz()) if self._as_of else now


@contextmanager
def _uncollected() -> Iterator[None]:
    """Inside, garbage is not collected: a batch makes many small objects and no cycles."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _answer(ce_id: str | None, dataset: Dataset, checked: Checked) -> Answer:
    return Answer(ce_id, checked.verdict, tuple(checked.problems), tuple(checked.changes), dataset, checked.values)


def unit_code(catalogue: Catalogue, spelling: str) -> str:
    """The code of a unit by code, name or alias. Raises UnknownUnit."""
    return catalogue.county.units.resolve(spelling).code
