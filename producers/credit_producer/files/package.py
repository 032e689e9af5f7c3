"""The .xlsx container: what must not be in it, and where the parts are. Nothing is ever extracted to disk.

Refused before any sheet is read: encryption, macros (VBA and Excel 4 sheets), external links, DDE, data connections,
zip bombs (declared sizes are binding: zipfile never delivers more than a member declares), ambiguous containers.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from .model import FileRefused, Limits
from .xml_stream import Attributes, scan

_SAVE_AS = "请用 Excel 或 WPS“另存为”“Excel 工作簿（*.xlsx）”后再提交。"
_RATIO_FROM = 64 << 20  # below this size even a perfect bomb does no harm

# Relationship targets outside the package that are only data for a click and never followed by us.
_HARMLESS_EXTERNAL = ("/hyperlink",)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A worksheet of the workbook: its name, its part, whether it is hidden (`hidden` or `veryHidden`)."""

    name: str
    part: str
    hidden: bool


@dataclass(slots=True)
class Package:
    """An opened, examined workbook container."""

    archive: ZipFile
    sheets: list[Sheet] = field(default_factory=list)
    other_sheets: list[str] = field(default_factory=list)  # chart and dialog sheets: no cells
    styles: str = ""
    strings: str = ""
    date1904: bool = False


def examine(archive: ZipFile, limits: Limits) -> Package:
    """Check the container and find its parts.

    Raises:
        FileRefused: `password`, `zip_bomb`, `damaged`, `macro`, `external_link`, `dde`, `not_a_table`, `xlsb`.
    """
    names = _check_members(archive, limits)
    lower = {name.lower() for name in names}
    if any("vbaproject" in name or "/macrosheets/" in name for name in lower):
        _refuse_macro()
    types = _content_types(archive, names)
    _check_links(archive, names)
    return _find_parts(archive, names, types)


def _check_members(archive: ZipFile, limits: Limits) -> set[str]:
    members = archive.infolist()
    if len(members) > limits.members:
        raise FileRefused("zip_bomb", f"文件内部有 {len(members)} 个部件，远超正常表格。{_SAVE_AS}")
    names = {member.filename for member in members}
    if len({name.lower() for name in names}) != len(members):
        raise FileRefused("damaged", f"文件内部有重名的部件，可能已损坏或被篡改。{_SAVE_AS}")
    if any(member.flag_bits & 0x1 for member in members):
        raise FileRefused("password", "文件是加密的压缩包，无法读取。请去掉密码后再提交。")
    if any(member.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for member in members):
        raise FileRefused("damaged", f"文件用了 Excel 不用的压缩方式。{_SAVE_AS}")
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members) or 1
    if unpacked > limits.unpacked_bytes or (unpacked > _RATIO_FROM and unpacked > limits.ratio * packed):
        raise FileRefused(
            "zip_bomb",
            f"文件展开后有 {unpacked >> 20} MB，远超正常表格。"
            "请删除多余的空行空列和格式（或把数据复制到新模板），再提交。",
        )
    return names


def _refuse_macro() -> None:
    raise FileRefused("macro", f"文件里含有宏，为安全起见不接收。{_SAVE_AS}")


def _content_types(archive: ZipFile, names: set[str]) -> dict[str, str]:
    if "[Content_Types].xml" not in names:
        inside = "，里面有表格，请解压后提交其中的表格" if any(n.lower().endswith(".xlsx") for n in names) else ""
        what = "OpenDocument 表格（.ods）" if "mimetype" in names else "压缩包"
        raise FileRefused("not_a_table", f"这是{what}，不是 .xlsx 表格{inside}。{'' if inside else _SAVE_AS}")
    types: dict[str, str] = {}

    def start(name: str, attributes: Attributes) -> None:
        if name == "Override":
            types[attributes.get("PartName", "").lstrip("/")] = attributes.get("ContentType", "")
        elif name == "Default":
            types["*." + attributes.get("Extension", "").lower()] = attributes.get("ContentType", "")

    with archive.open("[Content_Types].xml") as stream:
        scan(stream, start)
    kinds = set(types.values())
    if any("vbaProject" in kind or "macrosheet" in kind or "intlmacrosheet" in kind for kind in kinds):
        _refuse_macro()
    if any("sheet.binary" in kind for kind in kinds):
        raise FileRefused("xlsb", f"这是 .xlsb（二进制工作簿），不能读取。{_SAVE_AS}")
    if any("macroEnabled" in kind for kind in kinds):
        raise FileRefused("xlsm", f"不接收 .xlsm（可带宏的表格）。{_SAVE_AS}")
    if any("wordprocessingml" in kind or "presentationml" in kind for kind in kinds):
        raise FileRefused("not_a_table", f"这是 Word 或 PowerPoint 文件，不是表格。{_SAVE_AS}")
    return types


@dataclass(frozen=True, slots=True)
class _Relation:
    kind: str
    target: str
    external: bool


def _relations(archive: ZipFile, part: str) -> dict[str, _Relation]:
    """Relationship id → where it leads, for one `.rels` part; internal targets as paths inside the container."""
    found: dict[str, _Relation] = {}
    base = posixpath.dirname(posixpath.dirname(part))

    def start(name: str, attributes: Attributes) -> None:
        if name != "Relationship":
            return
        target, external = attributes.get("Target", ""), attributes.get("TargetMode", "") == "External"
        if not external:
            target = posixpath.normpath(target.lstrip("/") if target.startswith("/") else posixpath.join(base, target))
        found[attributes.get("Id", "")] = _Relation(attributes.get("Type", ""), target, external)

    with archive.open(part) as stream:
        scan(stream, start)
    return found


def _check_links(archive: ZipFile, names: set[str]) -> None:
    for name in sorted(names):
        if "externallinks/" in name.lower() and name.endswith(".xml"):
            dde: list[str] = []
            with archive.open(name) as stream:
                scan(stream, lambda tag, _, seen=dde: seen.append(tag) if tag == "ddeLink" else None)  # type: ignore[misc]
            if dde:
                raise FileRefused("dde", f"文件里含有 DDE 链接（会启动其他程序），不接收。{_SAVE_AS}")
            _refuse_link()
        if name.lower() == "xl/connections.xml":
            raise FileRefused(
                "external_link", "文件里含有外部数据连接，不接收。请在“数据—查询和连接”中删除连接，保存后再提交。"
            )
    for name in sorted(names):
        if name.endswith(".rels"):
            for relation in _relations(archive, name).values():
                if relation.external and not relation.kind.endswith(_HARMLESS_EXTERNAL):
                    _refuse_link()


def _refuse_link() -> None:
    raise FileRefused(
        "external_link",
        "文件里含有指向其他文件的外部链接，不接收。请在“数据—编辑链接”中断开链接（或把数据粘贴为数值），保存后再提交。",
    )


def _find_parts(archive: ZipFile, names: set[str], types: dict[str, str]) -> Package:
    damaged = FileRefused("damaged", f"文件不完整：找不到工作簿的内容。{_SAVE_AS}")
    if "_rels/.rels" not in names:
        raise damaged
    roots = [r for r in _relations(archive, "_rels/.rels").values() if r.kind.endswith("/officeDocument")]
    if not roots or roots[0].target not in names:
        raise damaged
    workbook = roots[0].target
    kind = types.get(workbook, "")
    if kind and "spreadsheetml" not in kind:
        raise FileRefused("not_a_table", f"这个文件的内容不是表格。{_SAVE_AS}")
    folder, base = posixpath.split(workbook)
    rels = posixpath.join(folder, "_rels", base + ".rels")
    if rels not in names:
        raise damaged
    relations = _relations(archive, rels)
    package = Package(archive)
    for relation in relations.values():
        if relation.kind.endswith("/styles") and relation.target in names:
            package.styles = relation.target
        elif relation.kind.endswith("/sharedStrings") and relation.target in names:
            package.strings = relation.target

    def start(name: str, attributes: Attributes) -> None:
        if name == "workbookPr":
            package.date1904 = attributes.get("date1904", "") in ("1", "true", "on")
        elif name == "sheet":
            to = next((v for k, v in attributes.items() if k.rpartition("}")[2] == "id" and "}" in k), "")
            relation = relations.get(to)
            title = attributes.get("name", "")
            if relation is None or relation.target not in names:
                raise damaged
            if relation.kind.endswith("acrosheet"):
                _refuse_macro()
            if relation.kind.endswith("/worksheet"):
                package.sheets.append(Sheet(title, relation.target, attributes.get("state", "visible") != "visible"))
            else:
                package.other_sheets.append(title)

    with archive.open(workbook) as stream:
        scan(stream, start)
    if not package.sheets:
        raise damaged
    return package
