"""Step 3: a judged event in warehouse form: digests in place of keys, persons sealed at rest, deadlines reckoned.

What leaves this file may be stored: no personal number is in clear any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from credit_schemas.catalogue import Catalogue, load_catalogue
from credit_schemas.dataset import Dataset, Field
from credit_schemas.documents import normal_document_no
from credit_schemas.envelope import STATE_ACTS
from credit_schemas.identifiers import RIC_TYPES, canonical_id, registration_no_problem, ric_problem, uscc_problem
from credit_schemas.personal import discreet
from credit_schemas.problems import Problem
from credit_schemas.publicity import publicity_of
from credit_warehouse.keys import CenterKeys, load_keys

from .act_checks import owner_of
from .check import REFUSAL, Checked, Verdict
from .decode import Arrived
from .digests import Digests

# The widest document number column; a longer text in it is no document number.
DOCUMENT_NO_MAX = 128
# Role to what a target calls it.
_TARGET_ROLES = {
    "authority.code": "authority_code",
    "document.no": "document_no",
    "decision.date": "decision_date",
    "subject.code": "subject_code",
    "subject.id_type": "subject_id_type",
    "subject.id_no": "subject_id_no",
    "subject.name": "subject_name",
    "representative.name": "operator_name",
}
# The word of the form of acts for a dispute that was found right.
UPHELD = "异议成立"
# What the 15-digit form of a citizen number is digested under: no document of that name exists.
SHORT_FORM = "身份证15位"


@dataclass(frozen=True)
class Center:
    """What normalising needs to know: the catalogue and the center's keys."""

    catalogue: Catalogue
    keys: CenterKeys

    @cached_property
    def digests(self) -> Digests:
        """The digests under this center's secret."""
        return Digests(self.keys.lookup_secret)


def load_center(keys: Path, county: Path | None = None) -> Center:
    """The center of a county folder and a key folder."""
    return Center(load_catalogue(county), load_keys(keys))


class Person(NamedTuple):
    """A natural person's document: lookup (HMAC-SM3), number sealed at rest under it, as written if that differs.

    `short` is the digest of the 15-digit form of a citizen number: what people born a century apart may share.
    """

    lookup: bytes
    id_type: str
    sealed: bytes
    as_written: bytes | None
    key_version: int
    short: bytes | None


class Subject(NamedTuple):
    """Whom a record is about; `person` is the lookup of `core.person` for kind person.

    A `registration_no` beside a code identifies nothing here; it is kept, because it may link another subject to it.
    """

    lookup: bytes
    kind: str
    code: str | None
    registration_no: str | None
    person: bytes | None
    unit: str | None
    name: str | None


class Target(NamedTuple):
    """The record a correction is about: by number, by the department's key, or by its natural key's digest."""

    record_no: UUID | None
    source_key: str | None
    natural_key: bytes | None


class Act(NamedTuple):
    """What is to be done to a record, and whether its sender may.

    Attributes:
        word: What the form calls the act.
        by: Name of the unit that does it.
        owner: Code of the unit that reported the record, as far as the act says.
        own, anybody: Whether the sender may do it to its own records, to everybody's.
        upheld: Of a closed dispute: whether it was found right.
    """

    act: str
    word: str
    by: str
    target: Target
    owner: str
    own: bool
    anybody: bool
    upheld: bool
    reason: str
    basis: str | None
    effective_on: date


@dataclass(frozen=True, slots=True)
class Content:
    """An accepted row in warehouse form.

    Attributes:
        cells: The dataset's columns in table order; a sealed column holds the person's lookup digest until loading.
        persons: Lookup digest to person, for every sealed column.
        publicity_ends: The last day it is public, shared and used (STANDARDS 3.4); `published` is False for what the
            law keeps off public sites: that is for destinations that publish, the others receive it all the same.
    """

    natural_key: bytes
    source_key: str | None
    target: Target | None
    subject: Subject | None
    persons: dict[bytes, Person]
    cells: list[Any]
    due_on: date | None
    due_provisional: bool
    publicity_ends: date | None
    published: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """An event ready to load.

    Attributes:
        received_on: The local day of its arrival.
        content: There when a row is acceptable (verdict `accept`).
        act: There when an act on a record is.
        period: The period an acceptable row names. Not of the record: the next report may name the next one.
    """

    event: Arrived
    dataset: str
    received_on: date
    verdict: Verdict
    problems: list[Problem]
    authority_code: str | None
    document_no: str | None
    decision_date: date | None
    content_digest: bytes | None
    content: Content | None
    act: Act | None = None
    period: str | None = None

    @property
    def ce_id(self) -> UUID:
        """The event's id."""
        return self.event.envelope.id

    @property
    def unit(self) -> str:
        """The unit whose topic it came on."""
        return self.event.message.unit

    @property
    def received_at(self) -> datetime:
        """The broker's append time."""
        return self.event.message.received_at


def normalise(checked: Checked, center: Center) -> Ready:
    """Bring a judged event to warehouse form."""
    event, dataset, values = checked.event, checked.dataset, checked.values
    day = event.message.received_at.astimezone(center.catalogue.county.zone).date()
    if event.envelope.act == REFUSAL and event.decoded.dataset == REFUSAL:
        told = event.decoded.value
        authority, number = _plain_code(told["authority_code"]), _plain_number(told["document_no"])
        brief = (authority, number, told["decision_date"], told["content_digest"])
        return Ready(event, checked.name, day, checked.verdict, checked.problems, *brief, None)
    if dataset is None or not values:
        return Ready(event, checked.name, day, checked.verdict, checked.problems, None, None, None, None, None)
    if event.envelope.act in STATE_ACTS:
        done = _act(checked, dataset, center, day) if checked.verdict == "accept" else None
        digest = center.digests.content(center.catalogue.act, values)
        return Ready(event, dataset.id, day, checked.verdict, checked.problems, None, None, None, digest, None, done)
    authority, number = dataset.value(values, "authority.code"), dataset.value(values, "document.no")
    if checked.verdict != "accept":
        # Columns may have slipped: what lands in clear beside the sealed message must look like what it claims to be.
        authority, number = _plain_code(authority), _plain_number(number)
    return Ready(
        event=event,
        dataset=dataset.id,
        received_on=day,
        verdict=checked.verdict,
        problems=checked.problems,
        authority_code=authority,
        document_no=normal_document_no(number) if number else None,
        decision_date=dataset.value(values, "decision.date"),
        content_digest=center.digests.content(dataset, values),
        content=_content(checked, dataset, center) if checked.verdict == "accept" else None,
        period=dataset.value(values, "period") if checked.verdict == "accept" else None,
    )


def _plain_code(code: str | None) -> str | None:
    return code if code and uscc_problem(code) is None else None


def _plain_number(number: str | None) -> str | None:
    return discreet(number[:DOCUMENT_NO_MAX]) if number else None


def _content(checked: Checked, dataset: Dataset, center: Center) -> Content:
    event, values, unit = checked.event, checked.values, checked.event.message.unit
    county = center.catalogue.county
    persons: dict[bytes, Person] = {}
    by_column: dict[str, bytes] = {}
    cells: list[Any] = []
    for f in dataset.fields:
        value = values.get(f.column)
        if value is not None and f.sealed:
            person = person_of(center.keys, dataset, f, values)
            persons[person.lookup] = person
            by_column[f.column] = value = person.lookup
        elif f.form == "document_no" and value:
            value = normal_document_no(value)  # ledger and figures match on it, whoever sent the row
        cells.append(value)
    publicity = publicity_of(dataset, values)
    runs_from = dataset.value(values, dataset.deadline) if dataset.deadline else None
    deadline = (
        center.catalogue.calendar.add_workdays(
            runs_from, county.report_within_workdays, count_decision_day=county.count_decision_day
        )
        if runs_from
        else None
    )
    return Content(
        natural_key=center.digests.record(dataset, values, unit),
        source_key=(event.decoded.value.get("source_key") or "").strip() or None,
        target=_target(checked.target, dataset, center, unit),
        subject=subject_of(dataset, values, unit, center.digests, by_column),
        persons=persons,
        cells=cells,
        due_on=deadline.day if deadline else None,
        due_provisional=bool(deadline and deadline.provisional),
        publicity_ends=publicity.ends,
        published=publicity.published,
    )


def person_of(keys: CenterKeys, dataset: Dataset, f: Field, values: dict[str, Any]) -> Person:
    """The person of a sealed number; the type of the document stands in the column of the sibling role."""
    kind = (dataset.value(values, f.role.rpartition(".")[0] + ".id_type") or "").strip()
    number = values[f.column]
    canonical = canonical_id(kind, number)
    lookup = keys.lookup.digest(kind, number)
    sealed = keys.at_rest.seal(canonical, lookup.hex())
    return Person(
        lookup=lookup,
        id_type="身份证" if kind in RIC_TYPES else kind,
        sealed=sealed,
        as_written=keys.at_rest.seal(number, lookup.hex()) if number != canonical else None,
        key_version=keys.at_rest.key_version_of(sealed),
        short=_short(keys, kind, canonical),
    )


def _short(keys: CenterKeys, kind: str, canonical: str) -> bytes | None:
    if kind not in RIC_TYPES or len(canonical) != 18 or ric_problem(canonical) is not None:
        return None
    return keys.lookup.digest(SHORT_FORM, canonical[:6] + canonical[8:17])


def subject_of(
    dataset: Dataset, values: dict[str, Any], unit: str, digests: Digests, by_column: dict[str, bytes]
) -> Subject | None:
    """Whom a row is about, by the ladder of DESIGN, "Subjects"; names never merge two subjects.

    Unlike the natural key of the record (`keys.subject_key`), the ladder knows the registration number: a subject may
    be found under two of its numbers, a record may not.
    """
    if not dataset.column("subject.name"):
        return None  # a ledger line is about a decision, not about somebody
    name = dataset.value(values, "subject.name")
    code = dataset.value(values, "subject.code")
    registration = registration_of(dataset.value(values, "subject.registration_no"))
    if code and uscc_problem(code) is None:
        return Subject(digests.subject(("code", code)), "code", code, registration, None, None, name)
    if registration:
        lookup = digests.subject(("registration", registration))
        return Subject(lookup, "registration", None, registration, None, None, name)
    number = dataset.value(values, "subject.id_no")
    if number:
        kind = (dataset.value(values, "subject.id_type") or "").strip()
        document = "身份证" if kind in RIC_TYPES else kind
        lookup = digests.subject(("id", document, canonical_id(kind, number)))
        return Subject(lookup, "person", None, None, by_column.get(dataset.column("subject.id_no") or ""), None, name)
    # A placeholder within the unit: name and operator together tell one, a name alone would merge strangers.
    own = dataset.value(values, "representative.name") or digests.record(dataset, values, unit).hex()
    return Subject(digests.subject(("scoped", unit, name or "", own)), "scoped", None, None, None, unit, name)


def registration_of(number: str | None) -> str | None:
    """A registration number that can identify: right in form (a mistyped one would merge strangers), no filler."""
    return number if number and registration_no_problem(number) is None and len(set(number)) > 1 else None


def _act(checked: Checked, dataset: Dataset, center: Center, on: date) -> Act:
    event, values, catalogue = checked.event, checked.values, center.catalogue
    form, unit = catalogue.act, event.message.unit
    owner = owner_of(event, catalogue, values, on) or unit
    own, anybody = catalogue.county.reach(unit, event.envelope.act, on)
    number = form.value(values, "target.record_no")
    target = {
        "record_no": UUID(number) if number else None,
        "source_key": form.value(values, "target.source_key"),
        **{name: form.value(values, role) for role, name in _TARGET_ROLES.items()},
    }
    found = _target({k: v for k, v in target.items() if v is not None}, dataset, center, owner)
    return Act(
        act=event.envelope.act,
        word=form.value(values, "act"),
        by=catalogue.county.units.get(unit).name,
        target=found or Target(None, None, None),
        owner=owner,
        own=own,
        anybody=anybody,
        upheld=form.value(values, "dispute.result") == UPHELD,
        reason=form.value(values, "reason"),
        basis=form.value(values, "basis"),
        effective_on=form.value(values, "effective.date"),
    )


def _target(target: dict[str, Any], dataset: Dataset, center: Center, unit: str) -> Target | None:
    if not target:
        return None
    natural = None
    if dataset.citable and target.get("document_no") and target.get("decision_date"):
        named = {dataset.column(role): target.get(name) for role, name in _TARGET_ROLES.items()}
        natural = center.digests.record(dataset, {c: v for c, v in named.items() if c and v is not None}, unit)
    return Target(target.get("record_no"), target.get("source_key"), natural)
