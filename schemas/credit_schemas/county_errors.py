"""Errors of the county folder: a folder that is missing or wrong, and a unit nobody knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .dataset import ContractError
from .personal import without_numbers


class CountyError(ContractError):
    """Anything wrong with the county folder or with a reference to a unit."""


class CountyNotFound(CountyError):
    """The setting names neither a folder nor a shipped county."""

    def __init__(self, named: str, shipped: Iterable[str]) -> None:
        self.named = named
        self.shipped = sorted(shipped)
        super().__init__(
            f"找不到县目录“{named}”：它既不是已有的文件夹，也不是自带的县（自带：{'、'.join(self.shipped)}）。"
            "请检查设置 CREDIT_COUNTY。"
        )


class Defect(NamedTuple):
    """One mistake in a county file. `line` counts from 1, the heading included; 0 means the whole file."""

    file: str
    line: int
    column: str
    message: str

    def __str__(self) -> str:
        place = "，".join(
            part
            for part in (f"第 {self.line} 行" if self.line else "", f"列 {self.column}" * bool(self.column))
            if part
        )
        return f"{self.file}{' ' + place if place else ''}：{self.message}"


class CountyDataError(CountyError):
    """The county folder holds mistakes; `defects` lists every one found, in file order."""

    def __init__(self, folder: str, defects: Iterable[Defect]) -> None:
        self.folder = folder
        self.defects = tuple(defects)
        listing = "\n".join(f"  {d}" for d in self.defects)
        super().__init__(f"县目录“{folder}”有 {len(self.defects)} 处错误，请改正后重试：\n{listing}")


class UnknownUnit(CountyError):
    """No unit, or none valid on that day, answers to a spelling. `candidates` are names of similar units."""

    def __init__(self, spelling: str, candidates: Iterable[str] = (), reason: str = "") -> None:
        self.spelling = without_numbers(spelling)
        self.candidates = list(candidates)
        shown = f"“{self.spelling}”"
        what = reason.format(shown) if reason else f"单位目录里没有{shown}。"
        maybe = f"是不是：{'、'.join(self.candidates)}？" if self.candidates else ""
        super().__init__(
            f"{what}{maybe}请填写单位目录中的简称、全称、代码或统一社会信用代码；"
            "确属新单位或新写法的，请信用信息平台管理员登记到 units.csv 或 aliases.csv。"
        )
