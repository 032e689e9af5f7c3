"""Great Expectations over the questions of a run. Imported only when something is due: its import takes seconds.

Nothing personal may come out: results hold keys (unit, record number, reference) and counts, never a tested value
(`exclude_unexpected_values`), and no text of a database error, which could quote one.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Before the import below, which reads it: nothing is sent outside, and no progress bars.
os.environ["GX_ANALYTICS_ENABLED"] = "false"

import great_expectations as gx
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.expectations.metadata_types import FailureSeverity
from great_expectations.expectations.registry import get_expectation_impl
from psycopg2.extensions import cursor
from sqlalchemy.engine import URL

from credit_warehouse.roles import role_name
from credit_warehouse.settings import Settings

from .book_statements import WAYS
from .data_docs import build_docs
from .errors import CheckBroken
from .questions import Question
from .settle import Answer, Finding

KEYS = ["unit", "record_no", "reference", "detail"]
# With SQL, even COMPLETE lists no more keys than `partial_unexpected_count`. Beyond this many of one rule in one run
# work items help nobody; the slices of the first ones are held all the same.
MOST_KEYS = 100_000
RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": KEYS,
    "partial_unexpected_count": MOST_KEYS,
    "exclude_unexpected_values": True,
    "include_unexpected_rows": False,
    "return_unexpected_index_query": False,
}

# Its log lines may quote database errors, and those may quote values; what matters is raised.
logging.getLogger("great_expectations").setLevel(logging.CRITICAL)


def ask(
    cur: cursor, settings: Settings, questions: Sequence[Question], docs: Path | None, *, whole: bool = False
) -> list[Answer]:
    """Put every question to the warehouse.

    Args:
        cur: Of role `quality`, for the counts of rows per unit.
        docs: Folder that takes this run's Data Docs; None for none.
        whole: The questions are about everything; else about few records, which indexes find.

    Raises:
        CheckBroken: A question could not be evaluated.
    """
    # Everything in memory: the temporary folder of documents it makes by default would be left behind.
    stores = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    config = DataContextConfig(store_backend_defaults=stores, progress_bars=ProgressBarsConfig(globally=False))
    context = gx.get_context(mode="ephemeral", project_config=config)
    warehouse = context.data_sources.add_postgres(
        "warehouse", connection_string=_url(settings, whole), create_temp_table=True
    )
    try:
        validations = [_validation(context, warehouse, q) for q in questions]
        run = RunIdentifier(run_name="quality")
        results = [_validate(v, q, run) for v, q in zip(validations, questions, strict=True)]
    finally:
        # It keeps two pools: one to look at tables, one to execute.
        warehouse.get_engine().dispose()
        warehouse.get_execution_engine().close()
    if docs:
        build_docs(context, docs)
    return [Answer(q, _counts(cur, q), _findings(q, r)) for q, r in zip(questions, results, strict=True)]


def _url(settings: Settings, whole: bool) -> str:
    ways = {} if whole else {"options": " ".join(f"-c {name}={value}" for name, value in WAYS.items())}
    host = settings.database_host
    socket = host.startswith("/")
    return URL.create(
        "postgresql+psycopg2",
        username=role_name("quality"),
        password=settings.database_password("quality"),
        host=None if socket else host,
        port=None if socket else settings.database_port,
        database=settings.database_name,
        query={"sslmode": settings.database_sslmode, "application_name": "credit quality", **ways}
        | ({"host": host, "port": str(settings.database_port)} if socket else {}),
    ).render_as_string(hide_password=False)


def _validation(context: Any, warehouse: Any, question: Question) -> Any:
    rule = question.rule
    asset = warehouse.add_query_asset(name=question.name, query=question.query)
    suite = gx.ExpectationSuite(
        name=question.name, meta={"title": rule.title, "basis": rule.basis, "owner": rule.owner}
    )
    for test in question.tests:
        suite.add_expectation(
            get_expectation_impl(test.type)(
                **test.arguments,
                severity=FailureSeverity(rule.severity),
                notes=[rule.title, *([test.reference] if test.reference else []), rule.basis, rule.mend],
                meta={"rule": rule.id, "reference": test.reference},
            )
        )
    return context.validation_definitions.add(
        gx.ValidationDefinition(
            name=question.name, data=asset.add_batch_definition_whole_table("all"), suite=context.suites.add(suite)
        )
    )


def _validate(validation: Any, question: Question, run: RunIdentifier) -> Any:
    """Run one validation. What it raises is told by class only, and not chained: its text may quote a value."""
    try:
        return validation.run(result_format=RESULT_FORMAT, run_id=run)
    except Exception as error:  # whatever it was, the data was not judged
        cause = _class_of(error)
    raise CheckBroken(question.rule.id, question.dataset, cause)


def _counts(cur: cursor, question: Question) -> dict[str, int]:
    cur.execute(f"SELECT unit, count(*) FROM ({question.query}) q GROUP BY unit")  # noqa: S608 - our own query
    return dict(cur.fetchall())


def _findings(question: Question, result: Any) -> frozenset[Finding]:
    found: set[Finding] = set()
    for one in result.results:
        if one.exception_info and (cause := _cause(one.exception_info)):
            raise CheckBroken(question.rule.id, question.dataset, cause)
        reference = one.expectation_config.meta["reference"]
        failed = _failed_rows(one.result or {})
        if not one.success and not failed:
            raise CheckBroken(question.rule.id, question.dataset, "no keys")
        found |= {Finding(unit, no, reference or ref or "", detail or "") for unit, no, ref, detail in failed}
    return frozenset(found)


def _failed_rows(result: Any) -> list[tuple[Any, ...]]:
    """The keys of the failed rows: with values excluded they come as one mapping of columns to lists."""
    return [
        row
        for columns in result.get("unexpected_index_list") or []
        for row in zip(*(columns[k] for k in KEYS), strict=True)
    ]


def _cause(info: Any) -> str:
    """The class of the error an expectation met, never its text; empty when it met none."""
    each = [info] if "raised_exception" in info else list(info.values())
    for one in each:
        if one.get("raised_exception"):
            named = re.search(r"\((\w+(?:\.\w+)+)\)", str(one.get("exception_message")))
            return named[1] if named else "error"
    return ""


def _class_of(error: BaseException) -> str:
    """The class of the innermost error."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return type(error).__name__
