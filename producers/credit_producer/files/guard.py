"""What kind of file is this, and may it be opened at all? Content decides; the extension is only compared.

Each refusal says what the file really is and how to get a readable one out of Excel or WPS.
"""

from __future__ import annotations

from pathlib import Path

from .model import FileRefused, Limits
from .places import FileKind

_SAVE_AS = "请用 Excel 或 WPS 打开后“另存为”“Excel 工作簿（*.xlsx）”，再提交新文件。"
_HEAD = 8192
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

# Signatures of what people rename or pick by mistake.
_OTHER: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "PDF 文件"),
    (b"\x89PNG", "图片（PNG）"),
    (b"\xff\xd8\xff", "图片（JPEG）"),
    (b"GIF8", "图片（GIF）"),
    (b"Rar!", "RAR 压缩包"),
    (b"7z\xbc\xaf\x27\x1c", "7z 压缩包"),
    (b"\x1f\x8b", "gzip 压缩包"),
    (b"SQLite format 3", "SQLite 数据库"),
    (b"{\\rtf", "RTF 文档"),
    (b"\x7fELF", "程序文件"),
)
# Two letters could open a CSV whose first column is called MZ (民族): believed only beside NUL bytes.
_OTHER_BINARY: tuple[tuple[bytes, str], ...] = ((b"BM", "图片（BMP）"), (b"MZ", "程序文件"))


def sniff(path: Path, limits: Limits) -> FileKind:
    """The kind of file by its content.

    Raises:
        FileRefused: `not_found`, `lock_file`, `cannot_open`, `empty_file`, `file_too_large`, `xls`, `password`,
            `xml_2003`, `html`, `not_a_table`, `xlsm`.
    """
    if path.name.startswith("~$"):
        raise FileRefused(
            "lock_file", "这是 Excel 打开表格时产生的临时文件（以 ~$ 开头）。请关闭 Excel，再提交原来的表格。"
        )
    try:
        with path.open("rb") as handle:
            head = handle.read(_HEAD)
            size = handle.seek(0, 2)
    except FileNotFoundError:
        raise FileRefused("not_found", "找不到这个文件。请检查文件名和所在文件夹。") from None
    except OSError:
        raise FileRefused(
            "cannot_open", "文件打不开：可能正被 Excel 或 WPS 占用，或没有读取权限。请关闭表格后再试。"
        ) from None
    if size == 0 or not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise FileRefused("empty_file", "文件是空的。请确认表格已保存、里面有数据，再提交。")
    if size > limits.file_bytes:
        raise FileRefused(
            "file_too_large",
            f"文件有 {size >> 20} MB，超过上限 {limits.file_bytes >> 20} MB。请拆分成几个文件分别提交。",
        )
    if head.startswith(_OLE):
        _refuse_ole(path)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        if path.suffix.lower() == ".xlsm":
            raise FileRefused("xlsm", f"不接收 .xlsm（可带宏的表格）。{_SAVE_AS}")
        return "xlsx"
    _refuse_other(head)
    return "csv"


def extension_notice(path: Path, kind: FileKind) -> str | None:
    """A remark when the extension promises something else than the content."""
    suffix = path.suffix.lower()
    expected = {"xlsx": (".xlsx",), "csv": (".csv", ".txt", ".tsv")}[kind]
    if suffix in expected:
        return None
    real = "Excel 工作簿（.xlsx）" if kind == "xlsx" else "文本（CSV）"
    return f"文件扩展名是“{suffix or '（无）'}”，内容却是{real}，已按内容读取。建议改正扩展名。"


def _refuse_ole(path: Path) -> None:
    """Compound files: encrypted workbooks carry a stream named EncryptedPackage, old ones Workbook or Book."""
    found = _names_in(path, ("EncryptedPackage", "WordDocument", "PowerPoint Document"))
    if "EncryptedPackage" in found:
        raise FileRefused(
            "password", "文件设置了打开密码，无法读取。请打开后在“文件—信息—保护工作簿”中去掉密码，保存后再提交。"
        )
    if found:
        raise FileRefused("not_a_table", f"这是旧版 Word 或 PowerPoint 文件，不是表格。{_SAVE_AS}")
    if path.suffix.lower() == ".et":
        raise FileRefused("xls", f"这是 WPS 的 .et 格式，不能直接读取。{_SAVE_AS}")
    raise FileRefused("xls", f"这是 97-2003 版的 .xls（或 .et）格式，不能直接读取。{_SAVE_AS}")


def _names_in(path: Path, names: tuple[str, ...]) -> set[str]:
    """Which stream names (UTF-16 in the container's directory) occur; the directory may lie anywhere."""
    found = set()
    overlap = b""
    with path.open("rb") as handle:
        while chunk := handle.read(1 << 20):
            window = overlap + chunk
            found |= {name for name in names if name.encode("utf-16-le") in window}
            overlap = window[-64:]
    return found


def _refuse_other(head: bytes) -> None:
    for signature, what in _OTHER + (_OTHER_BINARY if 0 in head else ()):
        if head.startswith(signature):
            raise FileRefused("not_a_table", f"这是{what}，不是表格。请提交 .xlsx 或 .csv 文件。")
    wide = head.startswith(_BOMS[1:])
    start = head.decode("utf-16" if wide else "latin-1", "replace").removeprefix("\xef\xbb\xbf").lstrip().lower()
    if start.startswith("<?xml") and "schemas-microsoft-com:office:spreadsheet" in start:
        raise FileRefused("xml_2003", f"这是“XML 表格 2003”格式，不能直接读取。{_SAVE_AS}")
    if start.startswith(("<!doctype", "<html", "<table", "<?xml", "<head", "<meta", "<div", "<script")):
        raise FileRefused(
            "html", f"这其实是网页或 XML 文件（有些系统导出的“Excel”就是这样），不是真正的表格。{_SAVE_AS}"
        )
    if wide:
        return
    nul = head.count(0)
    if nul * 3 > len(head) and nul * 3 < len(head) * 2:
        raise FileRefused(
            "wrong_encoding", "文件像是没有标记的 UTF-16 编码。请另存为“CSV UTF-8（逗号分隔）”或 .xlsx 后再提交。"
        )
    control = sum(byte < 32 and byte not in (9, 10, 12, 13) for byte in head)
    if control * 10 > len(head):
        raise FileRefused("not_a_table", "这不是表格文件（内容是二进制数据）。请提交 .xlsx 或 .csv 文件。")
