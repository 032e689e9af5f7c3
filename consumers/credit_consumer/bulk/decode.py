"""Step 1 by columns: headers and values of the messages that are what our own producers send."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

import polars as pl
from kafka.consumer.fetcher import ConsumerRecord

from credit_schemas.codec import FRAME, MAGIC, Codec, CodecError
from credit_schemas.dataset import Dataset
from credit_schemas.envelope import CONTENT_TYPE, SPEC_VERSION

from ..decode import Message, received
from .block import BlockReader
from .frames import kept

# What `envelope.write_headers` writes, in its order; another order or one header more is no fault, but goes row by row.
_NAMES = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type")
_UUID7 = r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]\.[0-9]{3}Z$"


class Origin(NamedTuple):
    """A record as the client gave it, with the topic's identity."""

    record: ConsumerRecord
    topic_id: UUID
    unit: str

    def message(self) -> Message:
        """The message for the ordinary steps."""
        return received(self.record, self.topic_id, self.unit)


class Decoder:
    """Finds and decodes the plain reports of one county."""

    def __init__(self, datasets: Iterable[Dataset], codec: Codec, county: str) -> None:
        self._county = county
        self._datasets = {FRAME.pack(MAGIC, d.schema_id): d for d in datasets}
        self._types = {d.id: f"credit.{d.id}.report".encode() for d in self._datasets.values()}
        self._readers = {d.id: BlockReader(d.schema, _readable(codec, frame)) for frame, d in self._datasets.items()}

    def plain(self, origins: Sequence[Origin]) -> dict[str, list[int]]:
        """Which of the messages look like plain reports of their own unit, by dataset."""
        found: dict[str, list[int]] = {}
        version, content = SPEC_VERSION.encode(), CONTENT_TYPE.encode()
        size = FRAME.size
        for at, (record, _, unit) in enumerate(origins):
            dataset = self._datasets.get(record.value[:size]) if record.value is not None else None
            if dataset is None or len(record.headers) != len(_NAMES):
                continue
            names, said = zip(*record.headers, strict=True)
            if (
                names == _NAMES
                and said[0] == version
                and said[2] == b"/%b/%b" % (self._county.encode(), unit.encode())
                and said[3] == self._types[dataset.id]
                and said[5] == content
            ):
                found.setdefault(dataset.id, []).append(at)
        return found

    def decode(self, dataset: str, origins: Sequence[Origin], rows: Sequence[int]) -> pl.DataFrame:
        """The rows of `origins` that can be read, as columns.

        Returns:
            The dataset's columns and system fields as the schema has them, and `at` (place in `origins`), `unit`,
            `ce_id` (16 bytes), `produced_at`, `received_ms` (Unix milliseconds).
        """
        size = FRAME.size
        frame, good = self._readers[dataset].read([origins[at].record.value[size:] for at in rows])
        places = [rows[i] for i in good]
        if not places:
            return frame
        records = [origins[at].record for at in places]
        told = pl.DataFrame(
            {
                "at": pl.Series(places, dtype=pl.Int64),
                "unit": [origins[at].unit for at in places],
                "said_id": pl.Series([r.headers[1][1] for r in records], dtype=pl.Binary),
                "said_time": pl.Series([r.headers[4][1] for r in records], dtype=pl.Binary),
                "received_ms": pl.Series([r.timestamp for r in records], dtype=pl.Int64),
            }
        ).with_columns(pl.col("said_id", "said_time").cast(pl.String, strict=False))
        uuid = pl.col("said_id").str.contains(_UUID7)
        time = pl.col("said_time").str.contains(_TIME)
        told = told.with_columns(
            ce_id=pl.when(uuid).then(pl.col("said_id").str.replace_all("-", "", literal=True)).str.decode("hex"),
            produced_at=pl.when(time)
            .then(pl.col("said_time"))
            .str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="us", time_zone="UTC", strict=False),
        )
        whole = pl.col("ce_id").is_not_null() & pl.col("produced_at").is_not_null()
        read = frame.hstack(told.drop("said_id", "said_time"))
        return kept(read, read.select(whole).to_series())


def _readable(codec: Codec, frame: bytes) -> Callable[[bytes], bool]:
    def confirm(body: bytes) -> bool:
        try:
            codec.decode(frame + body)
        except CodecError:
            return False
        return True

    return confirm
