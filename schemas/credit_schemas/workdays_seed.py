"""Make the working-day table from chinesecalendar: ``python -m credit_schemas.workdays_seed > workdays.csv``.

Run it when a new release of chinesecalendar knows the next year's notice of the State Council (as a rule in
November), look at the difference, and keep the file. Nothing at run time depends on that library.
"""

import csv
import sys
from datetime import date, timedelta
from typing import TextIO


def seed_table() -> list[tuple[date, str, str]]:
    """Return ``(day, kind, basis)`` for every day known that differs from the weekend rule.

    ``kind`` is ``holiday`` (a weekday off) or ``workday`` (a weekend day worked); ``basis`` names the feast.
    """
    import chinese_calendar

    known = [*chinese_calendar.holidays, *chinese_calendar.workdays]
    day, end = date(min(known).year, 1, 1), date(max(known).year, 12, 31)
    feasts = {holiday.value: holiday.chinese for holiday in chinese_calendar.Holiday}
    rows = []
    while day <= end:
        works = chinese_calendar.is_workday(day)
        if works != (day.weekday() < 5):
            feast = feasts[chinese_calendar.get_holiday_detail(day)[1]]
            rows.append((day, *(("workday", f"{feast}调休上班") if works else ("holiday", f"{feast}放假"))))
        day += timedelta(days=1)
    return rows


def write_table(out: TextIO) -> None:
    """Write the table as CSV with the columns ``date,kind,basis``."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("date", "kind", "basis"))
    writer.writerows(seed_table())


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # a Chinese Windows would write GBK
    write_table(sys.stdout)
