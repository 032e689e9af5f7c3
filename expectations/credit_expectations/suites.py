"""The suites: expectations as data, one TOML file a subject, thresholds overridable by the county.

A county overrides a threshold in its `county.toml`: `[parameters.quality.<expectation id>]`, `max_days = 60`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from credit_schemas.dataset import Dataset

from .errors import SuiteError

SUITES = resources.files(__package__) / "suites"
Severity = Literal["critical", "warning"]
# slice: every run looks at the whole slice again. records: only at records that changed or that hold the slice.
SCOPES = ("slice", "records")
_TEXTS = ("id", "title", "kind", "severity", "basis", "owner", "what", "mend", "scope")
_KEYS = {*_TEXTS, "datasets", "roles", "role", "expect", "parameters", "per_destination"}


@dataclass(frozen=True)
class Expectation:
    """One expectation, before it is put to a dataset.

    Attributes:
        id: Rule id in results, holds and work items; unique for life.
        title: What is expected, in Chinese.
        kind: Which query of `sql/` gives the rows.
        severity: `critical` holds the slice, `warning` only writes work items.
        basis: Where the rule comes from.
        owner: Who mends it.
        what: What is wrong, for a work item; `{reference}` stands for the document or column in
            question, `{detail}` for numbers.
        mend: What to do.
        datasets: Kinds of dataset it is put to (`record`, `denominator`).
        roles: Roles a dataset must have.
        role: The column that the query looks at, where it looks at one.
        scope: `slice` or `records`.
        expect: Great Expectations types and arguments; `$name` stands for a parameter.
        parameters: Thresholds, the county's where it has its own.
        per_destination: True when it is put once for every destination, in its terms.
    """

    id: str
    title: str
    kind: str
    severity: Severity
    basis: str
    owner: str
    what: str
    mend: str
    scope: str
    datasets: tuple[str, ...]
    roles: tuple[str, ...] = ()
    role: str = ""
    expect: tuple[Mapping[str, Any], ...] = ()
    parameters: Mapping[str, Any] | None = None
    per_destination: bool = False

    def fits(self, dataset: Dataset) -> bool:
        """Whether a dataset is of the kind and has the roles."""
        return dataset.kind in self.datasets and all(role in dataset.by_role for role in self.roles)

    def arguments(self, template: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of one entry of `expect`, parameters filled in, without its type."""
        values = self.parameters or {}
        return {
            k: values[v[1:]] if isinstance(v, str) and v.startswith("$") else v
            for k, v in template.items()
            if k != "type"
        }


def load_suites(overrides: Mapping[str, Any] | None = None) -> list[Expectation]:
    """All expectations in file order, with a county's thresholds. Raises SuiteError."""
    found: list[Expectation] = []
    for file in sorted(SUITES.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml"):
            data = tomllib.loads(file.read_text(encoding="utf-8"))
            found += [_read(file.name, raw) for raw in data["expectation"]]
    ids = [e.id for e in found]
    for twice in {i for i in ids if ids.count(i) > 1}:
        raise SuiteError(twice, "编号用了两次。")
    changed = dict(overrides or {})
    read = [_overridden(e, changed.pop(e.id, {})) for e in found]
    if changed:
        raise SuiteError("parameters.quality", f"没有规则 {'、'.join(sorted(changed))}。")
    return read


def _read(file: str, raw: dict[str, Any]) -> Expectation:
    where = f"{file} {raw.get('id', '?')}"
    for key in _TEXTS:
        if not isinstance(raw.get(key), str) or not raw[key].strip():
            raise SuiteError(where, f"缺少 {key}。")
    if unknown := raw.keys() - _KEYS:
        raise SuiteError(where, f"没有这一项：{'、'.join(sorted(unknown))}。")
    if raw["severity"] not in ("critical", "warning") or raw["scope"] not in SCOPES:
        raise SuiteError(where, "severity 应为 critical 或 warning，scope 应为 slice 或 records。")
    if not raw.get("expect") and not raw.get("per_destination"):
        raise SuiteError(where, "缺少 expect。")
    lists = {k: tuple(raw.get(k, ())) for k in ("datasets", "roles", "expect")}
    return Expectation(**{**raw, **lists, "parameters": raw.get("parameters", {})})


def _overridden(expectation: Expectation, changes: object) -> Expectation:
    own = dict(expectation.parameters or {})
    where = f"parameters.quality.{expectation.id}"
    if not isinstance(changes, Mapping):
        raise SuiteError(where, f"应写成 [{where}]。")
    for name, value in changes.items():
        if name not in own:
            raise SuiteError(where, f"没有参数 {name}；可用的：{'、'.join(own) or '无'}。")
        if isinstance(value, bool) or isinstance(value, str) != isinstance(own[name], str):
            raise SuiteError(where, f"参数 {name} 应为{'文字' if isinstance(own[name], str) else '数字'}。")
    return Expectation(**{**expectation.__dict__, "parameters": {**own, **changes}})
