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

from credit_schemas.forms import wan
from credit_schemas.keys import PERSON
from credit_warehouse.at_rest import AtRest
from credit_warehouse.keys import CenterKeys
from credit_warehouse.tables import column_name

from .destinations import Destination, Route
from .transports.answers import Op, Transport

DIGEST_USE = b"credit delivery 1"


class Source(NamedTuple):
    """A record as `Renderer.columns` reads it; `cells` holds the columns of the route, sealed numbers still sealed."""

    record_no: str
    revision: int
    state: str
    unit: str
    ce_id: str
    wanted: bool
    expired: bool
    cells: tuple[Any, ...] = ()


HEAD_WIDTH = len(Source._fields) - 1


@dataclass(frozen=True, slots=True)
class Want:
    """What the destination should hold of a record: this content (`put`) or nothing (`end`)."""

    op: Op
    digest: bytes
    reason: str | None = None
    data: Mapping[str, str] | None = field(default=None, repr=False)


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
    """Reads and renders the records of one dataset for one destination."""

    def __init__(self, destination: Destination, route: Route, keys: CenterKeys, transport: Transport) -> None:
        self.route = route
        self._date_form = destination.date_form
        self._at_rest: AtRest = keys.at_rest
        self._digests = Digests(keys.lookup_secret)
        self._transport = transport
        by_column = route.dataset.by_column
        taken = [by_column[c] for c in route.columns]
        if destination.personal == "omit":
            taken = [f for f in taken if not f.sealed]
        self._fields = taken
        self._targets = [route.columns[f.column] for f in taken]

    def columns(self, as_of: date) -> sql.Composed:
        """The SELECT list that `source` reads, over `core.<dataset> AS c` and `joins`."""
        cells: list[sql.Composable] = []
        for i, f in enumerate(self._fields):
            if f.sealed:
                person = sql.Identifier(f"p{i}")
                cells.append(
                    sql.SQL("CASE WHEN {p}.person_id IS NOT NULL THEN ARRAY[{p}.lookup, {p}.sealed] END").format(
                        p=person
                    )
                )
            else:
                cells.append(sql.SQL("c.{}").format(sql.Identifier(column_name(f))))
        head = sql.SQL("c.record_no::text, c.revision, c.state, c.unit, c.last_ce_id::text, {}, {}").format(
            self.wanted(as_of), self._expired(as_of)
        )
        return sql.SQL(", ").join([head, *cells])

    def joins(self) -> sql.Composed:
        """The joins to `core.person`, one per sealed column."""
        return sql.SQL(" ").join(
            sql.SQL("LEFT JOIN core.person {p} ON {p}.person_id = c.{c}").format(
                p=sql.Identifier(f"p{i}"), c=sql.Identifier(column_name(f))
            )
            for i, f in enumerate(self._fields)
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

    def wanted(self, as_of: date) -> sql.Composed:
        """The destination's filter as a condition on `c`, on that day."""
        conditions: list[sql.Composable] = [sql.SQL("c.state = ANY({})").format(_texts(self.route.states))]
        for role, values in self.route.only.items():
            column = column_name(self.route.dataset.by_role[role])
            conditions.append(sql.SQL("coalesce(c.{}, '') = ANY({})").format(sql.Identifier(column), _texts(values)))
        conditions.append(sql.SQL("NOT ({})").format(self._expired(as_of)))
        return sql.SQL("({})").format(sql.SQL(" AND ").join(conditions))

    def _expired(self, as_of: date) -> sql.Composable:
        if not self.route.until_publicity_ends:
            return sql.SQL("false")
        # The last day of publicity is still public.
        return sql.SQL("coalesce(c.publicity_ends < {}, false)").format(sql.Literal(as_of))

    def source(self, row: Sequence[Any]) -> Source:
        """The first `width` columns of a row read with `columns`."""
        return Source._make((*row[:HEAD_WIDTH], tuple(row[HEAD_WIDTH : self.width])))

    def want(self, source: Source) -> Want:
        """What the destination should hold of this record."""
        if not source.wanted:
            return Want("end", self._digests.end, reason=self._reason(source))
        data = self._render(source.cells)
        return Want("put", self._digests.of_copy(self._transport.digest(data)), data=data)

    def personal(self, source: Source) -> list[str]:
        """The personal values of a row, to strike them out of what a destination says about it."""
        data = self._render(source.cells)
        category = self.route.dataset.by_role.get("subject.category")
        natural = category is not None and data.get(self.route.columns.get(category.column, "")) == PERSON
        secret = (f for f in self._fields if f.personal or (natural and f.role == "subject.name"))
        return [data[c] for c in (self.route.columns[f.column] for f in secret) if c in data]

    def _render(self, cells: Sequence[Any]) -> dict[str, str]:
        data = {}
        for f, target, cell in zip(self._fields, self._targets, cells, strict=True):
            if cell is None:
                continue
            if f.sealed:
                lookup, sealed = cell
                data[target] = self._at_rest.open(sealed, bytes(lookup).hex())
            elif f.form == "amount":
                data[target] = wan(cell)
            elif isinstance(cell, date):
                data[target] = cell.strftime(self._date_form)
            else:
                data[target] = str(cell)
        return data

    def _reason(self, source: Source) -> str:
        if source.state == "withdrawn":
            return "误报撤回"
        if source.state == "ended":
            return "终止公示和共享"
        return "公示期满" if source.expired else "不再属于报送范围"


def _texts(values: Sequence[str]) -> sql.Composed:
    return sql.SQL("{}::text[]").format(sql.Literal(list(values)))
