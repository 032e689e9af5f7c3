"""Working days of mainland China, for deadlines like "7 working days after the decision".

The limit itself is 发改办财金〔2018〕424号. The days come from a dated table (``data/workdays.csv``, made from
the yearly notices of the State Council, see ``workdays_seed``). A county adds the next year's notice as a
second file with the same columns ``date,kind,basis``: kind ``holiday`` or ``workday``, one line for each day
that differs from the plain weekend rule. Beyond the table weekends and statutory holidays apply and a deadline
is *provisional*: good for a reminder, never for a signed figure (DESIGN, promise 5).
"""

import csv
import io
import re
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

SEED_TABLE = Path(__file__).parent / "data" / "workdays.csv"

_COLUMNS = ("date", "kind", "basis")
_WORKS = {"workday": True, "holiday": False}
# People edit the table in Excel or WPS, which write 2027/1/1 for 2027-01-01.
_DATE = re.compile(r"([0-9]{4})([-/])([0-9]{1,2})\2([0-9]{1,2})")
_ONE_DAY = timedelta(days=1)
# A notice may move a rest day across New Year: 2006 and 2011 have 1 fewer than the law grants, 2007 and 2012
# 1 more. Below this slack the year's notice has been entered only in part.
_ACROSS_NEW_YEAR = 2


class Deadline(NamedTuple):
    """The last timely day, and whether the table did not reach that far."""

    day: date
    provisional: bool


class CalendarError(Exception):
    """A working-day table cannot be used; says which file and line, and how to mend it."""

    retriable = False

    def __init__(self, path: Path, line: int, problem: str) -> None:
        """Keep the file, its line (1 is the heading, 0 the file as a whole) and the problem in Chinese."""
        super().__init__(path, line, problem)
        self.path, self.line, self.problem = path, line, problem

    def __str__(self) -> str:
        place = f"第 {self.line} 行" if self.line else ""
        return f"工作日表 {self.path.name} {place}{self.problem}"


@dataclass(frozen=True, eq=False)
class WorkCalendar:
    """Working days from a dated table; built by ``load_calendar``.

    Attributes:
        exceptions: day → works, for the days that the table lists.
        covered_until: last day up to which the table is complete without a gap (``date.min`` if it is empty).
    """

    exceptions: Mapping[date, bool] = field(repr=False)
    covered_until: date
    _covered_years: frozenset[int] = field(repr=False)
    # The gapless part of the table, so that a deadline is two look-ups: all its working days, and for each
    # day (counted from _first) how many of them lie before it.
    _first: int = field(repr=False)
    _workdays: tuple[date, ...] = field(repr=False)
    _rank: array = field(repr=False)

    def is_workday(self, d: date) -> bool:
        """Whether ``d`` is a working day; beyond the table by weekends and statutory holidays."""
        listed = self.exceptions.get(d)
        if listed is not None:
            return listed
        if d.weekday() >= 5:
            return False
        return d.year in self._covered_years or d not in _statutory_holidays(d.year)

    def add_workdays(self, d: date, n: int, *, count_decision_day: bool = False) -> Deadline:
        """Return the ``n``-th working day after ``d``.

        Args:
            d: the decision day, which is day 0 (it need not be a working day).
            n: how many working days, at least 0; 0 gives ``d`` itself.
            count_decision_day: count ``d`` as day 1, if it is a working day.

        Returns:
            The day, and ``provisional`` when any day looked at lies beyond the table.

        Raises:
            ValueError: if ``n`` is negative.
            OverflowError: if the result lies beyond the year 9999.
        """
        if n <= 0:
            if n:
                raise ValueError("n must not be negative")
            return Deadline(d, False)
        start = d.toordinal() - self._first + (not count_decision_day)
        if 0 <= start < len(self._rank):
            index = self._rank[start] + n - 1
            if index < len(self._workdays):
                return Deadline(self._workdays[index], False)
        return _walk(self, d if count_decision_day else d + _ONE_DAY, n)


def load_calendar(path: Path | None = None, extra: Iterable[Path] = ()) -> WorkCalendar:
    """Read the shipped table, or ``path`` in its place, and the files in ``extra``, of which later ones win.

    Raises:
        CalendarError: if a file is missing or one of its lines cannot be read.
    """
    exceptions: dict[date, bool] = {}
    for table in (path or SEED_TABLE, *extra):
        exceptions.update(_read_table(table))
    years = _complete_years(exceptions)
    first_year = min(years, default=0)
    last_year = first_year
    while last_year + 1 in years:
        last_year += 1
    if not years:
        return WorkCalendar(exceptions, date.min, years, 0, (), array("I"))
    first, end = date(first_year, 1, 1).toordinal(), date(last_year, 12, 31).toordinal()
    workdays: list[date] = []
    rank = array("I")
    for day in map(date.fromordinal, range(first, end + 1)):
        rank.append(len(workdays))
        if exceptions.get(day, day.weekday() < 5):
            workdays.append(day)
    return WorkCalendar(exceptions, date.fromordinal(end), years, first, tuple(workdays), rank)


def _read_table(path: Path) -> dict[date, bool]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CalendarError(path, 0, f"读不出来（{error.strerror}），请检查文件和权限") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # What Excel and WPS call "CSV"; only the basis column holds Chinese.
        text = raw.decode("gb18030", errors="replace")
    rows = csv.reader(io.StringIO(text, newline=""))
    if tuple(cell.strip() for cell in next(rows, [])) != _COLUMNS:
        raise CalendarError(path, 1, f"：第一行应为列名 {','.join(_COLUMNS)}")
    table: dict[date, bool] = {}
    for row in rows:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != len(_COLUMNS):
            raise CalendarError(path, rows.line_num, f"：应有 {len(_COLUMNS)} 列，实有 {len(cells)} 列")
        day, works = _parse_day(cells[0]), _WORKS.get(cells[1])
        if day is None:
            raise CalendarError(path, rows.line_num, f"：日期“{cells[0]}”不存在或写法不对，应如 2027-01-01")
        if works is None:
            raise CalendarError(path, rows.line_num, f"：类别“{cells[1]}”不对，应为 holiday（放假）或 workday（上班）")
        if table.setdefault(day, works) != works:
            raise CalendarError(path, rows.line_num, f"：{day} 前面已写为相反的类别，请只留一行")
    return table


def _parse_day(text: str) -> date | None:
    match = _DATE.fullmatch(text)
    if not match:
        return None
    try:
        return date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        return None


def _complete_years(exceptions: Mapping[date, bool]) -> frozenset[int]:
    """Years whose notice is in the table as a whole.

    Rest days gained on weekdays less weekends worked equal the days the law grants (each holiday on a weekend
    is made good), give or take those moved across New Year. A year with fewer was entered only in part, one
    without a single make-up day lacks that half of the notice: each year from 2004 to 2026 has five or more.
    """
    gained: dict[int, int] = {}
    made_up: set[int] = set()
    for day, works in exceptions.items():
        if works != (day.weekday() < 5):
            gained[day.year] = gained.get(day.year, 0) + (-1 if works else 1)
            if works:
                made_up.add(day.year)
    return frozenset(year for year in made_up if gained[year] >= _statutory_day_count(year) - _ACROSS_NEW_YEAR)


def _statutory_day_count(year: int) -> int:
    """Days off that 全国年节及纪念日放假办法 grants all citizens: 10, from 2008 on 11, from 2025 on 13."""
    return 13 if year >= 2025 else 11 if year >= 2008 else 10


@lru_cache(maxsize=4096)  # every decision of late December comes here until the next year's notice is entered
def _walk(calendar: WorkCalendar, first_day: date, n: int) -> Deadline:
    day, left, provisional = first_day, n, False
    while True:
        provisional = provisional or day.year not in calendar._covered_years
        left -= calendar.is_workday(day)
        if not left:
            return Deadline(day, provisional)
        day += _ONE_DAY


@lru_cache(maxsize=256)
def _statutory_holidays(year: int) -> frozenset[date]:
    """Days off by law, known without a notice: those of fixed date, and lunar ones if computable."""
    import holidays  # 0.25 s to import, and only needed beyond the table

    fixed = {date(year, 1, 1), date(year, 5, 1), *(date(year, 10, day) for day in (1, 2, 3))}
    if year >= 2025:
        fixed.add(date(year, 5, 2))
    # That library knows no year before 1950 or after 2100.
    return frozenset(fixed | set(holidays.country_holidays("CN", years=year)))
