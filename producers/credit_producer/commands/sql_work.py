"""What `check` and `send` do with a database source: open it, begin where the last sending ended, keep the place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from credit_schemas.catalogue import Catalogue
from credit_schemas.dataset import Dataset
from credit_schemas.rules import Context

from ..options import note
from ..pipeline import CheckedRows, Outcome
from ..spool import Spool
from ..sql import CheckedTable, SourceError, read_source
from ..sql.watermark import Watermark


def open_table(path: Path, dataset: Dataset, context: Context, unit: str, catalogue: Catalogue) -> CheckedTable:
    """A source from its beginning. Raises SettingsError, SourceError."""
    return CheckedTable(read_source(path), dataset, context, unit, catalogue)


def no_rows(checked: CheckedRows) -> SourceError:
    """A source without a row: "sent, 0 rows" must not pass for success."""
    return SourceError("no_rows", f"{checked.name} 里没有一行数据。请核对表名、查询条件和账号的权限。")


@dataclass
class Increment:
    """A source from where the last sending ended, and how far this one has come."""

    checked: CheckedTable
    watermark: Watermark
    spool: Spool
    name: str
    rows: int = 0
    unchanged: int = 0

    def close(self) -> None:
        """Hang up."""
        self.checked.close()

    def passed(self, outcome: Outcome, *, unchanged: bool) -> None:
        """A row is in the spool."""
        self.rows += 1
        self.unchanged += unchanged
        refused = outcome.verdict == "reject" and not outcome.not_reportable
        self.watermark.passed(outcome.mark, mended_later=refused)

    def finish(self) -> None:
        """The whole source is in the spool: the next sending may begin here."""
        text = self.watermark.text
        if text is not None:
            self.spool.set_bookmark(self.name, text)
        if self.unchanged:
            note(f"提示：其中 {self.unchanged} 条和以前报的一样，没有再发。")
        if not self.rows and self.watermark.since is None:
            raise no_rows(self.checked)
        if not self.rows:
            click.echo("没有新的或改过的行。", err=True)


def open_increment(
    path: Path, dataset: Dataset, context: Context, unit: str, catalogue: Catalogue, spool: Spool, *, full: bool
) -> Increment:
    """A source from where the last sending ended; from its beginning with `full`. Raises SettingsError, SourceError."""
    settings = read_source(path)
    name = f"{dataset.id}/{settings.source.name}"
    kept = spool.bookmark(name) if settings.source.watermark and not full else None
    watermark = Watermark(settings.fingerprint, kept, settings.source.overlap, catalogue.county.zone)
    if watermark.anew:
        note("提示：来源的设置改过了，这次从头读一遍；和以前报的一样的行不会再发。")
    checked = CheckedTable(settings, dataset, context, unit, catalogue, watermark.since)
    return Increment(checked, watermark, spool, name)
