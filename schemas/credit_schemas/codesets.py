"""Code sets: the closed lists a choice must come from, with the spellings that mean the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

CODESETS = Path(__file__).parent / "data" / "codesets.json"


@dataclass(frozen=True, eq=False)  # compared and hashed by identity: one object per list and process
class CodeSet:
    """One list. `other` names the value that must carry an explanation, written `其他-补办` (STANDARDS 9, row 7)."""

    id: str
    cn: str
    values: tuple[str, ...]
    aliases: dict[str, str]
    labels: dict[str, str]
    other: str | None
    basis: str

    def canonical(self, text: str) -> str:
        """The standard word for a spelling; text that is no known spelling comes back unchanged."""
        if self.other:
            for opener in (self.other, "其它"):
                if text.startswith(opener):
                    rest = _explanation(text[len(opener) :])
                    return f"{self.other}-{rest}" if rest else self.other
        return self.aliases.get(text, text)

    def has(self, text: str) -> bool:
        """True for a listed value, or for the open one with its explanation."""
        return text in self.values or bool(
            self.other and text.startswith(f"{self.other}-") and text[len(self.other) + 1 :]
        )

    @property
    def shown(self) -> str:
        """The list as a person reads it."""
        labelled = [f"{v}（{self.labels[v]}）" if v in self.labels else v for v in self.values]
        return "、".join([*labelled, f"{self.other}-（写明具体内容）"] if self.other else labelled)


def _explanation(text: str) -> str:
    """What stands after 其他: `-补办`, `（补办）` and `：补办` all say 补办."""
    text = text.lstrip("-—－–_:： ")
    if text[:1] in ("（", "(") and text[-1:] in ("）", ")"):
        return _explanation(text[1:-1].strip())
    return text


@cache
def load_codesets(path: Path = CODESETS) -> dict[str, CodeSet]:
    """The code sets that datasets share, by id; a dataset's own stand in its file (`code_sets`)."""
    return read_codesets(json.loads(path.read_text(encoding="utf-8")))


def read_codesets(raw: Mapping[str, Any]) -> dict[str, CodeSet]:
    """Code sets as a file has them, by id."""
    return {
        name: CodeSet(
            id=name,
            cn=c["cn"],
            values=tuple(c["values"]),
            aliases=c.get("aliases", {}),
            labels=c.get("labels", {}),
            other=c.get("other"),
            basis=c.get("basis", ""),
        )
        for name, c in raw.items()
    }
