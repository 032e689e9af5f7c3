"""A record in a destination's terms: which columns, in which form, and a keyed digest of the result.

Rendered data may hold numbers of natural persons in clear. They live only as long as a request is being made; what is
kept is a digest, HMAC-SHA256 under a key of the center over the digest by which the destination itself names its copy.
So our books and the destination's list can be compared without rendering anything, and nobody can search a digest for
a number.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from psycopg2 import sql

from credit_schemas.acts import STATE_NAMES
from credit_schemas.dataset import Field
from credit_schemas.forms import wan
from credit_schemas.keys import PERSON
from credit_schemas.masking import mask_name
from credit_warehouse.at_rest import AtRest
from credit_warehouse.keys import CenterKeys
from credit_warehouse.tables import column_name

from .destinations import Destination
from .routes import Route
from .transports.answers import Op, Transport

DIGEST_USE = b"credit delivery 1"
# Whoever reads a copy whose record is under objection is told so.
DISPUTED = STATE_NAMES["disputed"]
# What the destination is told of the end of a copy, by what ended the record.
ENDED = {"revoked": "决定被撤销", "repaired": "信用修复", "upheld": "异议成立"}
# Names of bodies, where a person's name may stand by chance: nothing is replaced in them.
BODIES = ("subject.name", "authority.name", "source.name")


class Source(NamedTuple):
    """A record as `Renderer.columns` reads it; `cells` holds the columns of the route, sealed numbers still sealed."""

    record_no: str
    revision: int
    state: str
    unit: str
    ce_id: str
    wanted: bool
    expired: bool
    natural: bool = False
    ended_why: str | None = None
    cells: tuple[Any, ...] = ()


HEAD_WIDTH = len(Source._fields) - 1


@dataclass(frozen=True, slots=True)
class Want:
    """What the destination should hold of a record: this content (`put`) under this mark, or nothing (`end`)."""

    op: Op
    digest: bytes
    reason: str | None = None
    data: Mapping[str, str] | None = field(default=None, repr=False)
    mark: str | None = None


class Digests:
    """Digests that our tables may keep."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, DIGEST_USE, "sha256")
        self.end = self.keyed(b"end")

    def keyed(self, content: bytes) -> bytes:
        """32 bytes that say nothing of the content to whoever lacks the key."""
        return hmac.digest(self._key, content, "sha256")

    def of_copy(self, digest: str | None) -> bytes:
        """The digest we keep for a copy that the destination names by `digest`."""
        return self.keyed(b"copy " + (digest or "").lower().encode())


class Renderer:
    """Reads and renders the records of one dataset for one destination, as on one day."""

    def __init__(
        self, destination: Destination, route: Route, keys: CenterKeys, transport: Transport, as_of: date
    ) -> None:
        self.route = route
        self._as_of = as_of
        self._date_form = destination.date_form
        self._mask = destination.person_names == "mask"
        self._public = destination.public
        self._at_rest: AtRest = keys.at_rest
        self._digests = Digests(keys.lookup_secret)
        self._transport = transport
        # A moved cell travels under the name of the column a person wrote it in.
        moved = route.dataset.moved_from
        self._fields: list[tuple[Field, str]] = [
            (route.dataset.by_column[c], name)
            for column, name in route.names(as_of).items()
            for c in (column, *(target for target, source in moved.items() if source == column))
        ]
        if destination.personal == "omit":
            self._fields = [(f, name) for f, name in self._fields if f.personal in (None, "name")]

    @property
    def columns(self) -> sql.Composed:
        """The SELECT list that `source` reads, over `core.<dataset> AS c` and `joins`."""
        cells: list[sql.Composable] = []
        for i, (f, _) in enumerate(self._fields):
            if f.sealed:
                person = sql.Identifier(f"p{i}")
                cells.append(
                    sql.SQL("CASE WHEN {p}.person_id IS NOT NULL THEN ARRAY[{p}.lookup, {p}.sealed] END").format(
                        p=person
                    )
                )
            else:
                cells.append(sql.SQL("c.{}").format(sql.Identifier(column_name(f))))
        head = sql.SQL(
            "c.record_no::text, c.revision, c.state, c.unit, c.last_ce_id::text, {}, {}, {}, c.ended_why"
        ).format(self.wanted, self._expired(), self._natural())
        return sql.SQL(", ").join([head, *cells])

    @property
    def joins(self) -> sql.Composed:
        """The joins to `core.person`, one per sealed column."""
        return sql.SQL(" ").join(
            sql.SQL("LEFT JOIN core.person {p} ON {p}.person_id = c.{c}").format(
                p=sql.Identifier(f"p{i}"), c=sql.Identifier(column_name(f))
            )
            for i, (f, _) in enumerate(self._fields)
            if f.sealed
        )

    @property
    def table(self) -> sql.Composed:
        """`core.<dataset>`."""
        return sql.SQL("core.{}").format(sql.Identifier(self.route.dataset.table))

    @property
    def width(self) -> int:
        """How many columns `columns` gives."""
        return HEAD_WIDTH + len(self._fields)

    @property
    def wanted(self) -> sql.Composed:
        """The destination's filter as a condition on `c`."""
        conditions: list[sql.Composable] = [sql.SQL("c.state = ANY({})").format(_texts(self.route.states))]
        for role, values in self.route.only.items():
            column = column_name(self.route.dataset.by_role[role])
            conditions.append(sql.SQL("coalesce(c.{}, '') = ANY({})").format(sql.Identifier(column), _texts(values)))
        conditions.append(sql.SQL("NOT ({})").format(self._expired()))
        if self._public:
            conditions.append(sql.SQL("c.published"))
        return sql.SQL("({})").format(sql.SQL(" AND ").join(conditions))

    def _expired(self) -> sql.Composable:
        if not self.route.until_publicity_ends:
            return sql.SQL("false")
        # The last day of publicity is still public.
        return sql.SQL("coalesce(c.publicity_ends < {}, false)").format(sql.Literal(self._as_of))

    def _natural(self) -> sql.Composable:
        """Whether the record is about a natural person: it says so, or has the number of one."""
        dataset = self.route.dataset
        signs: list[sql.Composable] = []
        if category := dataset.by_role.get("subject.category"):
            column = sql.Identifier(column_name(category))
            signs.append(sql.SQL("coalesce(c.{} = {}, false)").format(column, sql.Literal(PERSON)))
        if number := dataset.by_role.get("subject.id_no"):
            signs.append(sql.SQL("c.{} IS NOT NULL").format(sql.Identifier(column_name(number))))
        return sql.SQL("({})").format(sql.SQL(" OR ").join(signs)) if signs else sql.SQL("false")

    def source(self, row: Sequence[Any]) -> Source:
        """The first `width` columns of a row read with `columns`."""
        return Source._make((*row[:HEAD_WIDTH], tuple(row[HEAD_WIDTH : self.width])))

    def want(self, source: Source) -> Want:
        """What the destination should hold of this record."""
        if not source.wanted:
            return Want("end", self._digests.end, reason=self._reason(source))
        data = self._render(source)
        mark = DISPUTED if source.state == "disputed" else None
        return Want("put", self._digests.of_copy(self._transport.digest(data, mark)), data=data, mark=mark)

    def personal(self, source: Source) -> list[str]:
        """The personal values of a row, to strike them out of what a destination says about it."""
        return [text for f, _, text in self._texts(source) if f.sealed or self._names(f, source)]

    def _names(self, f: Field, source: Source) -> bool:
        """Whether a column holds the name of a natural person."""
        return f.personal == "name" or (source.natural and f.role == "subject.name")

    def _render(self, source: Source) -> dict[str, str]:
        cells = self._texts(source)
        if not self._mask:
            return {name: text for _, name, text in cells}
        names = [text for f, _, text in cells if self._names(f, source)]
        data = {}
        for f, name, text in cells:
            if self._names(f, source):
                text = mask_name(text)
            elif f.form == "text" and f.role not in BODIES:
                # A decision's text tells of its party by name.
                for person in names:
                    text = text.replace(person, mask_name(person)) if len(person) > 1 else text
            data[name] = text
        return data

    def _texts(self, source: Source) -> list[tuple[Field, str, str]]:
        """The filled cells as text, each with its field and the destination's name of the column."""
        texts = []
        for (f, name), cell in zip(self._fields, source.cells, strict=True):
            if cell is None:
                continue
            if f.sealed:
                lookup, sealed = cell
                text = self._at_rest.open(sealed, bytes(lookup).hex())
            elif f.form == "amount":
                text = wan(cell)
            else:
                text = cell.strftime(self._date_form) if isinstance(cell, date) else str(cell)
            texts.append((f, name, text))
        return texts

    def _reason(self, source: Source) -> str:
        if source.state == "withdrawn":
            return "误报撤回"
        if source.state == "ended":
            return ENDED.get(source.ended_why or "", "终止公示和共享")
        return "公示期满" if source.expired else "不再属于报送范围"


def _texts(values: Sequence[str]) -> sql.Composed:
    return sql.SQL("{}::text[]").format(sql.Literal(list(values)))
