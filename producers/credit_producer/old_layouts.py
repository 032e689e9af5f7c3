"""Files in the columns of an older generation: their layouts, told to the reader, and what a person is told of them."""

from __future__ import annotations

from credit_schemas.dataset import Dataset
from credit_schemas.import_map import ImportMap, OldColumn

from .files import Heading, Layout
from .files.headings import normal_heading


def headings(dataset: Dataset) -> list[Heading]:
    """The headings a file of this dataset may have."""
    return [Heading(f.column, f.cn, mandatory=f.mandatory) for f in dataset.file_fields]


def layout(generation: ImportMap) -> Layout:
    """The headings of an older generation. Columns of today may stand among them, for what it does not have."""
    own = headings(generation.dataset)
    old = {c.code: c for c in generation.columns}
    taken = {normal_heading(spelling) for h in own for spelling in (h.code, h.name)}
    found = [Heading(h.code, h.name, _free(old.pop(h.code, None), taken)) for h in own]
    own_columns = {c.code: c for c in generation.columns if c.code not in old}
    found = [Heading(h.code, h.name, h.aliases, excludes=_excluded(own_columns.get(h.code))) for h in found]
    for column in old.values():
        # A heading that today's standard has, too, is read as today's column; only the old code tells it apart.
        spellings = _free(column, taken)
        name = spellings[0] if spellings else column.code
        found.append(Heading(column.code, name, spellings[1:], tells=column.tells, excludes=_excluded(column)))
    return Layout(generation.id, generation.cn, tuple(found), _needs(generation))


def _free(column: OldColumn | None, taken: set[str]) -> tuple[str, ...]:
    """The spellings of an old column that no other column has; they are taken from then on."""
    free = []
    for spelling in column.headings if column else ():
        if normal_heading(spelling) not in taken:
            taken.add(normal_heading(spelling))
            free.append(spelling)
    return tuple(free)


def _excluded(column: OldColumn | None) -> tuple[str, ...]:
    """What cannot stand beside a column: what it becomes, unless that counts first or depends on the row."""
    if column is None:
        return ()
    sure = () if column.yields or len(column.targets) > 1 else tuple(t for t in column.targets if t != column.code)
    return (*sure, *column.not_beside)


def _needs(generation: ImportMap) -> tuple[tuple[str, ...], ...]:
    """Per mandatory column that the map does not supply: the old columns that feed it, and itself."""
    supplied = {supply.column for supply in generation.supplies}
    groups = []
    for f in generation.dataset.file_fields:
        if f.mandatory and f.column not in supplied:
            feeders = [c.code for c in generation.columns if f.column in c.targets and c.code != f.column]
            groups.append((*feeders, f.column))
    return tuple(groups)


def notices(generation: ImportMap, columns: tuple[str, ...]) -> list[str]:
    """What a person is told of a file (or table) in this layout. `columns` are the codes of its headings."""
    said = [
        f"按 {generation.cn}导入：列名和代码已换成现行标准的；换算和补上的内容有疑问的逐条提醒，全部可用 --json 查看。"
    ]
    old = [c for c in generation.columns if c.code in columns and c.code not in generation.dataset.by_column]
    dropped = [f"“{c.cn}”" for c in old if not c.targets and not c.values and not c.keep and not _used(generation, c)]
    if dropped:
        said.append(f"这些旧列在现行标准里没有，没有导入：{'、'.join(dropped)}。")
    kept = [f"“{c.cn}”" for c in old if c.keep]
    if kept:
        said.append(f"这些旧列在现行标准里没有，原样附在记录里，不上报：{'、'.join(kept)}。")
    return said


def _used(generation: ImportMap, column: OldColumn) -> bool:
    return any(column.code in supply.copy for supply in generation.supplies)
