"""Read what the warehouse knows of the records that a batch may touch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from psycopg2.extensions import cursor

from credit_schemas.dataset import Dataset

from . import statements as sql
from .identity import Book, Record
from .normalise import Ready


def open_books(cur: cursor, events: Sequence[Ready], datasets: Mapping[str, Dataset]) -> dict[str, Book]:
    """A book per dataset with every record that one of the events can mean, by any of its keys."""
    books: dict[str, Book] = {}
    for name in sorted({e.dataset for e in events}):
        of_dataset = [e for e in events if e.dataset == name]
        books[name] = _open_book(cur, datasets[name], of_dataset)
    return books


def _open_book(cur: cursor, dataset: Dataset, events: Sequence[Ready]) -> Book:
    book = Book()
    contents = [e.content for e in events if e.content is not None]
    targets = [(e.unit, c.target) for e in events if (c := e.content) and c.target]
    targets += [(e.act.owner, e.act.target) for e in events if e.act]
    keys = {c.natural_key for c in contents} | {t.natural_key for _, t in targets if t.natural_key}
    _fetch(cur, book, sql.records_by_key(dataset), [_hexes(keys)])
    sources = {(e.unit, e.content.source_key) for e in events if e.content and e.content.source_key}
    sources |= {(owner, t.source_key) for owner, t in targets if t.source_key}
    if sources:
        units, own = zip(*sorted(sources), strict=True)
        _fetch(cur, book, sql.records_by_source(dataset), [list(units), list(own)])
    # Also of keys that are somebody's now: their holder may leave them within the batch.
    cur.execute(sql.FORMER_KEYS, [dataset.id, _hexes(keys)])
    book.former.update((bytes(key), UUID(no)) for key, no in cur.fetchall())
    numbers = ({t.record_no for _, t in targets if t.record_no} | set(book.former.values())) - book.by_no.keys()
    if numbers:
        _fetch(cur, book, sql.records_by_no(dataset), [",".join(map(str, numbers))])
    _fetch_replaced(cur, book, events)
    if any(e.event.envelope.resent for e in events):
        book.newest = _newest(cur, book)
    return book


def _newest(cur: cursor, book: Book) -> dict[tuple[UUID, str, bool], UUID]:
    """Only for a batch in which something was sent again; see `Book.newest`."""
    if not book.by_no:
        return {}
    cur.execute(sql.NEWEST, [",".join(map(str, book.by_no))])
    return {(UUID(no), unit, content): UUID(ce_id) for no, unit, content, ce_id in cur.fetchall()}


def _fetch_replaced(cur: cursor, book: Book, events: Sequence[Ready]) -> None:
    """Only for records that an event would change: whether it says what its own file once took back."""
    changed = set()
    for e in events:
        if e.content:
            found = book.by_source.get((e.unit, e.content.source_key)) if e.content.source_key else None
            found = found or book.by_natural_key(e.content.natural_key)
            if found and found.content_digest != e.content_digest:
                changed.add(found.record_no)
    if changed:
        cur.execute(sql.REPLACED, [",".join(map(str, changed))])
        book.replaced.update((UUID(no), bytes(before), bytes(after)) for no, before, after in cur.fetchall())


def _hexes(keys: Iterable[bytes]) -> str:
    return ",".join(k.hex() for k in keys)


def _fetch(cur: cursor, book: Book, statement: str, parameters: list[object]) -> None:
    cur.execute(statement, parameters)
    for no, unit, revision, source_key, natural_key, digest, revised_at, *standing in cur.fetchall():
        if UUID(no) not in book.by_no:
            found = (source_key, bytes(natural_key), bytes(digest), revised_at, *standing)
            book.add(Record(UUID(no), unit, revision, revision, *found))
