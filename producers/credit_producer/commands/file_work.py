"""What `check` and `send` do alike: open the file, tell of each row as it is decided, sum up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import click

from credit_schemas.dataset import Dataset

from ..files import FileRefused
from ..options import EXIT_REFUSED, EXIT_REJECTED, CannotWrite, announce_reading, note
from ..pipeline import CheckedRows, Outcome
from ..show import Report, Summary, print_json, refused_json, row_json
from ..sql import SourceError


@contextmanager
def told_when_refused(file: Path, as_json: bool) -> Iterator[None]:
    """Inside, a file or source that is refused whole is told of (a JSON line, or a sentence) and ends the command."""
    announce_reading(file)
    try:
        yield
    except (FileRefused, SourceError) as refused:
        if as_json:
            print_json(refused_json(file, refused))
        else:
            what, said = ("文件", "没有读取") if isinstance(refused, FileRefused) else ("来源", "没有读完")
            note(f"{what} {file} {said}：{refused.message}")
        raise click.exceptions.Exit(EXIT_REFUSED) from None


class Teller:
    """Tells of rows: as JSON lines at once, or for a person as a summary at the end; and into the report file."""

    def __init__(self, checked: CheckedRows, dataset: Dataset, as_json: bool, report: Path | None) -> None:
        """Say the remarks on the file and create the report; a report that cannot be written ends the command."""
        self.summary = Summary(dataset)
        self._as_json = as_json
        self._report_path = report
        try:
            self._report = Report(report, dataset) if report else None
        except OSError as error:
            raise CannotWrite(report or Path(), error) from None
        for notice in checked.notices:
            note(f"提示：{notice}")

    def __enter__(self) -> Teller:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._report:
            self._report.__exit__(kind, error, trace)

    def tell(self, outcome: Outcome, **more: object) -> None:
        """One row; `more` goes into its JSON line."""
        self.summary.add(outcome)
        if self._report:
            self._report.add(outcome)
        if self._as_json:
            print_json({**row_json(outcome), **more})

    def conclude(self) -> int:
        """The summary for a person; the exit code."""
        if not self._as_json:
            click.echo(self.summary.text())
        if self._report_path:
            note(f"全部问题已写入 {self._report_path}")
        return EXIT_REJECTED if self.summary.refused else 0
