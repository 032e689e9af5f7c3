"""What all DAGs of the exchange share: county, time zone, assets, retries, the parameter `as_of`.

DAG files say when and in what order, never how: every task is one call of a plain function that the command
`credit` offers too. Nothing heavy is imported at the top (Great Expectations alone takes seconds, and the
files are parsed every half minute): the function is imported inside its task.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, Param, RetryDecision, RetryPolicy

from credit_schemas.county import load_county

COUNTY = load_county()

# Any day before the first run: with catchup off nothing is played for the past.
START = datetime(2026, 1, 1, tzinfo=COUNTY.zone)

# Quality was run: whatever is due and not held may go out.
CHECKED = Asset(name="checked", uri=f"credit://{COUNTY.code}/quality/checked")


class UnlessHopeless(RetryPolicy):
    """Retry, but not what cannot get better by itself: our errors say so by `retriable = False`."""

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        """Fail at once for a hopeless error, else leave it to the task's number of retries."""
        if getattr(exception, "retriable", True):
            return RetryDecision.default()
        return RetryDecision.fail(reason="错误不会自行消失，不再重试；请按日志中的说明处理后重跑。")


# 0.5, 1, 2, 4 and 8 minutes: a platform's restart or a broken line is over by then. What takes longer is
# taken up by the next scheduled run, which reads what is due from the warehouse.
RETRIES: Mapping[str, Any] = {
    "retries": 5,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": UnlessHopeless(),
}

AS_OF = {
    "as_of": Param(
        None,
        type=["null", "string"],
        format="date",
        title="截止日期",
        description="按这一天的情况处理（用于补跑）；不填为今天。",
    )
}


def every(cron: str) -> CronTriggerTimetable:
    """A time schedule in the county's own time."""
    return CronTriggerTimetable(cron, timezone=COUNTY.time_zone)


def as_of(params: Mapping[str, Any]) -> date | None:
    """The day a person asked for when starting the run by hand, else None."""
    given = params.get("as_of")
    return date.fromisoformat(given) if given else None


def destination_pool(destination: str) -> str:
    """The pool of one slot through which everything that talks to this destination goes."""
    return f"destination_{destination}"
