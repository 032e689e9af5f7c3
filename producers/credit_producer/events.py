"""From a checked row to the event that leaves the department: seal, Avro, headers, key.

Here and nowhere else do personal numbers turn into sealed values; what this module returns may be stored and sent.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from credit_schemas.acts import act_of
from credit_schemas.catalogue import Catalogue
from credit_schemas.check import Checked
from credit_schemas.codec import event_value
from credit_schemas.codesets import load_codesets
from credit_schemas.dataset import ContractError, Dataset
from credit_schemas.envelope import Envelope, Headers, write_headers
from credit_schemas.identifiers import uscc_problem
from credit_schemas.keys import PERSON, SEP, content_digest, producer_key
from credit_schemas.personal import without_numbers
from credit_schemas.problems import Problem
from credit_schemas.sealing import Sealer
from credit_schemas.topics import intake_topic
from credit_schemas.uuid7 import uuid7_texts

from .errors import BadTarget
from .spool import SpoolEvent

IDS_AT_ONCE = 256
# Where `write_headers` puts the id.
ID_PLACE = 1
REFUSAL_SCHEMA = 1  # the schema id of refusal.v1.avsc
QUOTED = re.compile("“([^”]+)”")
# The widest document number column; a longer text there is no document number.
DOCUMENT_NO_MAX = 128
# Document numbers have digits, and Chinese only with one of these signs (示市监处罚〔2026〕8号) or none at all.
DOCUMENT_NO = re.compile(r"^(?=.*\d)(?:.*[号字第〔（].*|[^\u3400-\u9fff]*)$")


@dataclass(frozen=True)
class Target:
    """Which record an act is about: `record_no` (from its first receipt), or the department's own `source_key`, or the
    natural key as last reported (authority, document number, decision date and the subject)."""

    record_no: str | None = None
    source_key: str | None = None
    authority_code: str | None = None
    document_no: str | None = None
    decision_date: date | None = None
    subject_code: str | None = None
    subject_id_type: str | None = None
    # Never shown: a traceback or a debug log would carry it.
    subject_id_no: str | None = field(default=None, repr=False)
    subject_name: str | None = None
    operator_name: str | None = None

    def check(self) -> None:
        """Raises BadTarget when it cannot find a record."""
        subject = self.subject_code or (self.subject_id_type and self.subject_id_no) or self.subject_name
        natural = self.authority_code and self.document_no and self.decision_date and subject
        if not (self.record_no or self.source_key or natural):
            raise BadTarget(
                "没有说清是哪一条记录：请给出回执里的 record_no，或当初上报用的 source_key，"
                "或当初上报的机关代码、文号、决定日期和相对人。"
            )
        if self.record_no:
            try:
                UUID(self.record_no)
            except ValueError:
                raise BadTarget("record_no 写法不对；请照抄回执里的 record_no。") from None


@dataclass(frozen=True)
class Place:
    """Where a row stood: file name, data row (from 1), line of the sheet or file."""

    file: str | None = None
    row: int | None = None
    line: int | None = None


NOWHERE = Place()


class _Moment:
    """What the events of one moment share; a call of the SDK has a moment of its own, so threads share none."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment
        self.time_ms = round(moment.timestamp() * 1000)
        self.headers: dict[tuple[str, str], Headers] = {}
        # Ids drawn, the next one last: one for a single event, for a long batch soon by the hundred.
        self._ids: list[str] = []
        self._block = 1

    def next_id(self) -> str:
        """A new id of this moment, larger than those before."""
        if not self._ids:
            self._ids = uuid7_texts(self._block, self.time_ms)[::-1]
            self._block = min(2 * self._block, IDS_AT_ONCE)
        return self._ids.pop()


class EventMaker:
    """Makes the events of one unit."""

    def __init__(self, catalogue: Catalogue, county: str, unit: str, salt: bytes, sealer: Sealer) -> None:
        self._catalogue = catalogue
        self._county = county
        self._unit = unit
        self._salt = salt
        self._sealer = sealer
        self._topic = intake_topic(county, unit)
        self._words: dict[str, frozenset[str]] = {}
        self._contexts: dict[str, list[tuple[str, str]]] = {}
        self._moment = _Moment(datetime.fromtimestamp(0, UTC))

    def record(
        self,
        dataset: Dataset,
        checked: Checked,
        moment: datetime,
        *,
        act: str = "report",
        source_key: str | None = None,
        target: Target | None = None,
        reason: str | None = None,
        place: Place = NOWHERE,
        replaces: str | None = None,
    ) -> SpoolEvent:
        """The event of an accepted row (`report` or `correct`).

        `replaces` is the event of an earlier row of the same file about the same record.
        """
        values = checked.values
        content: dict[str, Any] = values
        for column, context in self._sealed_columns(dataset):
            if values.get(column) is not None:
                content = {**content, column: self._sealer.seal(values[column], context)}
        if source_key:
            content = {**content, "source_key": source_key}
        if reason:
            content = {**content, "reason": reason}
        if checked.original:
            content = {**content, "original": checked.original}
        digest = content_digest(self._salt, dataset, values)
        if target:
            content = {**content, "target": self._sealed_target(dataset, target)}
            digest = self._digest("act", act, digest.hex(), reason, *map(str, asdict(target).values()))
        return self._event(
            dataset.id,
            act,
            moment,
            key=producer_key(
                self._salt, dataset, values, self._unit, source_key or (target.source_key if target else None)
            ),
            value=self._catalogue.codec.encode(dataset.schema_id, content),
            digest=digest,
            place=place,
            replaces=replaces,
        )

    def act(self, checked: Checked, moment: datetime, place: Place = NOWHERE) -> SpoolEvent:
        """The event of an accepted row of the form `record_act`: what is done to a record of the dataset it names."""
        form, values = self._catalogue.act, checked.values
        act = act_of(form, values[form.by_role["act"].column])
        if act is None:
            raise ContractError(f"no act is called {values[form.by_role['act'].column]}")
        sealed = {c: self._seal(form, c, v) if form.by_column[c].sealed else v for c, v in values.items()}
        return self._event(
            self._catalogue.dataset(values[form.by_role["target.dataset"].column]).id,
            act,
            moment,
            key=producer_key(self._salt, form, values, self._unit, None),
            value=self._catalogue.codec.encode(form.schema_id, event_value(form, sealed, {})),
            digest=content_digest(self._salt, form, values),
            place=place,
        )

    def refusal(
        self,
        dataset: Dataset,
        cells: Mapping[str, Any],
        values: dict[str, Any],
        problems: Sequence[Problem],
        moment: datetime,
        place: Place = NOWHERE,
    ) -> SpoolEvent:
        """What the center is told of a refused row: enough to count and to find it, nothing personal."""
        # What UTF-8 cannot carry (half a surrogate pair) counts as a question mark.
        raw = {c: str(v).encode("utf-8", "replace").decode() for c, v in cells.items() if v is not None and v != ""}
        # A row whose cells cannot be told apart is known by its place and faults only.
        faults = self._digest("faults", dataset.id, place.line, *(p.rule for p in problems))
        digest = content_digest(self._salt, dataset, raw) if raw else faults
        authority = dataset.value(values, "authority.code")
        if dataset.id not in self._words:
            self._words[dataset.id] = own_words(dataset)
        words = self._words[dataset.id]
        value = {
            "dataset": dataset.id,
            "authority_code": authority if authority and uscc_problem(authority) is None else None,
            "document_no": _document_no(dataset, values),
            "decision_date": dataset.value(values, "decision.date"),
            "content_digest": digest,
            "locator": f"第{place.line}行" if place.line else None,
            "problems": [
                {"column": p.column, "rule": p.rule, "severity": p.severity, "message": unquoted(p.message, words)}
                for p in problems
            ],
        }
        encoded = self._catalogue.codec.encode(REFUSAL_SCHEMA, value)
        return self._event(
            dataset.id, "refusal", moment, key=digest.hex()[:32].encode(), value=encoded, digest=digest, place=place
        )

    def _event(
        self,
        dataset: str,
        act: str,
        moment: datetime,
        *,
        key: bytes,
        value: bytes,
        digest: bytes,
        place: Place,
        replaces: str | None = None,
    ) -> SpoolEvent:
        at = self._moment
        if at.moment is not moment:
            at = self._moment = _Moment(moment)
        ce_id = at.next_id()
        return SpoolEvent(
            ce_id,
            self._topic,
            key,
            value,
            self._headers(at, dataset, act, ce_id, replaces),
            at.time_ms,
            dataset,
            act,
            digest,
            place.file,
            place.row,
            place.line,
        )

    def _headers(self, at: _Moment, dataset: str, act: str, ce_id: str, replaces: str | None) -> Headers:
        """The headers of an event: those that all events of this kind and moment share, and its id."""
        if replaces:
            return write_headers(self._envelope(dataset, act, ce_id, at.moment, replaces))
        shared = at.headers.get((dataset, act))
        if shared is None:
            shared = write_headers(self._envelope(dataset, act, ce_id, at.moment, None))
            at.headers[dataset, act] = shared
        headers = shared.copy()
        headers[ID_PLACE] = ("ce_id", ce_id.encode())
        return headers

    def _envelope(self, dataset: str, act: str, ce_id: str, moment: datetime, replaces: str | None) -> Envelope:
        earlier = UUID(replaces) if replaces else None
        return Envelope(UUID(ce_id), self._county, self._unit, dataset, act, moment.astimezone(UTC), earlier)

    def _sealed_columns(self, dataset: Dataset) -> list[tuple[str, str]]:
        """The columns that are sealed, and the context of each."""
        found = self._contexts.get(dataset.id)
        if found is None:
            found = [(f.column, f"{self._unit}/{dataset.id}/{f.column}") for f in dataset.fields if f.sealed]
            self._contexts[dataset.id] = found
        return found

    def _seal(self, dataset: Dataset, column: str, value: str) -> bytes:
        return self._sealer.seal(value, f"{self._unit}/{dataset.id}/{column}")

    def _sealed_target(self, dataset: Dataset, target: Target) -> dict[str, Any]:
        out: dict[str, Any] = {k: v for k, v in asdict(target).items() if v is not None}
        column = dataset.column("subject.id_no")
        if target.subject_id_no and column:
            out["subject_id_no"] = self._seal(dataset, column, target.subject_id_no)
        return out

    def _digest(self, *parts: object) -> bytes:
        return hmac.digest(self._salt, SEP.join(map(str, parts)).encode("utf-8", "surrogatepass"), "sha256")


def own_words(dataset: Dataset) -> frozenset[str]:
    """What messages may quote besides a cell: code set values, names of columns, the words quoted in the rules."""
    own = (f.code_set for f in dataset.fields if f.code_set)
    codes = [value for codes in (*load_codesets().values(), *own) for value in codes.values]
    names = [f.cn for f in dataset.fields]
    return frozenset([*codes, *names, *QUOTED.findall(json.dumps(dataset.schema, ensure_ascii=False)), "文本"])


def unquoted(message: str, words: frozenset[str]) -> str:
    """A message without what it quotes from a cell, and without anything that looks like an ID number.

    On the sender's own screen a quotation helps; in an event it might be a name that slipped into another column.
    Only the contract's own `words` stay between quotation marks.
    """
    return without_numbers(QUOTED.sub(lambda found: found.group() if found.group(1) in words else "“…”", message))


def _document_no(dataset: Dataset, values: dict[str, Any]) -> str | None:
    """The document number, unless what stands in its column may be a name or an ID number (shifted columns)."""
    found = dataset.value(values, "document.no")
    if not found or len(found) > DOCUMENT_NO_MAX or not DOCUMENT_NO.search(found) or without_numbers(found) != found:
        return None
    personal = {values.get(f.column) for f in dataset.fields if f.personal}
    if dataset.value(values, "subject.category") == PERSON:
        personal.add(dataset.value(values, "subject.name"))
    return None if any(value and value in found for value in personal) else str(found)
