"""Rows below the data that are no data: totals, who filled it in, who checked it, notes.

A row is taken for one only if most of its cells are empty, its first filled cell begins with such a word, and no data
follows: a row like that could never be accepted, for its mandatory columns are empty.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .wire import Value

# More rows below the data than this are no footer: they are data somebody should look at.
MOST = 20

_ALONE = "合计|总计|共计|小计|累计|以下空白|以下无正文|备注|注|说明"
_PEOPLE = "填表|填报|制表|报送|经办|审核|复核|审批|核对|联系|分管|主管|单位|部门|科室"
_WHAT = "人员|人|单位|部门|日期|时间|领导|负责人|电话"
_OTHERS = "负责人|盖章|签字|签章|日期|电话|填表说明|填报说明|表格说明|附注|注意事项"
_FOOTER = re.compile(
    rf"[（(]?(?:({_ALONE})(?:$|[:：,，、(（\d０-９]|共)|((?:{_PEOPLE})(?:{_WHAT}))(?:$|[:：（(签盖]|姓名)"
    rf"|({_OTHERS})(?:$|[:：）)（(]))"
)


def word_of_footer(values: Sequence[Value], columns: int) -> str | None:
    """The word that makes these filled cells (left to right) of a table of `columns` a footer; None when it is none."""
    first = values[0] if values else None
    if not isinstance(first, str) or 2 * len(values) > columns:
        return None
    found = _FOOTER.match("".join(first.split()))
    return next(word for word in found.groups() if word) if found else None
