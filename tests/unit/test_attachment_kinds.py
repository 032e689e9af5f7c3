"""Which files may be attached: real ones of every kind pass, hostile and mistaken ones are told apart in Chinese."""

from __future__ import annotations

import contextlib
import io
import tracemalloc

import pytest

import attachment_files as files
from credit_schemas.attachment_kinds import recognise
from credit_schemas.attachments import SPEC, AttachmentRefused, limit

VBA = '<Override PartName="/word/vbaProject.bin" ContentType="application/vnd.ms-office.vbaProject"/>'
DOCM = "application/vnd.ms-word.document.macroEnabled.main+xml"


def link(kind: str, target: str = "https://example.com/x") -> str:
    return files.relations(
        f'<Relationship Id="r1" Type="{files.OFFICE}/{kind}" Target="{target}" TargetMode="External"/>'
    )


def kind_of(content: bytes, name: str, **more: object) -> str:
    return recognise(io.BytesIO(content), name, len(content), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("现场.JPG", files.picture(), "jpg"),
        ("现场.jpeg", files.picture(), "jpg"),
        ("截图.png", files.picture("PNG"), "png"),
        ("纪要.pdf", files.pdf(), "pdf"),
        ("方案.docx", files.docx(), "docx"),
        ("签到.xlsx", files.xlsx(), "xlsx"),
        ("汇报.pptx", files.office("pptx"), "pptx"),
        ("说明.txt", "工作成效：办理 37 件。\n".encode(), "txt"),
        ("说明.txt", "工作成效：办理 37 件。\r\n".encode("gb18030"), "txt"),
        # A chart keeps its figures in a workbook of its own, a sheet its printer's settings: no reason to refuse.
        ("汇报.pptx", files.office("pptx", parts={"ppt/embeddings/Sheet1.xlsx": files.xlsx()}), "pptx"),
        ("签到.xlsx", files.office("xlsx", parts={"xl/printerSettings/printerSettings1.bin": b"\1"}), "xlsx"),
        ("方案.docx", files.office("docx", parts={"word/_rels/document.xml.rels": link("hyperlink").encode()}), "docx"),
    ],
)
def test_what_clerks_attach_is_recognised_by_name_and_content(name: str, content: bytes, kind: str) -> None:
    assert kind_of(content, name) == kind


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        ("空.jpg", b"", "empty", "0 字节"),
        ("照片.jpg", files.renamed_exe(), "content", "程序文件"),
        ("说明.txt", files.renamed_exe(), "content", "程序文件"),
        ("照片.jpg", files.picture("PNG"), "content", "PNG 图片"),
        ("方案.docx", files.pdf(), "content", "PDF 文件"),
        ("方案.docx", files.xlsx(), "content", "不是Word 文档"),
        ("照片.jpg", files.picture_with_archive(), "polyglot", "压缩包"),
        ("截图.png", files.picture("PNG") + b"<script>", "polyglot", "后面还接着"),
        ("截图.png", files.picture("PNG")[:-20], "damaged", "不完整"),
        ("方案.docx", b"MZ" + files.docx(), "content", "程序文件"),
        ("方案.docx", files.docx() + b"tail", "polyglot", "前后接着"),
        ("方案.docx", files.docx()[:-40], "damaged", "不完整"),
        ("方案.docx", files.docx()[:4] + bytes(200), "damaged", "不完整"),
        ("方案.docx", files.zip_bomb(), "zip_bomb", "1024 MB"),
        ("方案.docx", files.office("docx", main=DOCM), "macro", "宏"),
        ("方案.docx", files.office("docx", types=VBA), "macro", "宏"),
        ("方案.docx", files.office("docx", parts={"word/vbaProject.bin": b"\1"}), "macro", "宏"),
        ("方案.docx", files.office("docx", parts={"word/embeddings/oleObject1.bin": b"\1"}), "embedded", "嵌着"),
        ("方案.docx", files.office("docx", parts={"word/media/run.exe": files.renamed_exe()}), "embedded", "嵌着"),
        (
            "汇报.pptx",
            files.office("pptx", parts={"ppt/embeddings/a.xlsx": files.office("xlsx", types=VBA)}),
            "macro",
            "宏",
        ),
        (
            "方案.docx",
            files.office("docx", parts={"word/_rels/settings.xml.rels": link("attachedTemplate").encode()}),
            "external_link",
            "模板",
        ),
        (
            "方案.docx",
            files.office("docx", parts={"word/_rels/d.xml.rels": b'<!DOCTYPE x [<!ENTITY a "b">]><x/>'}),
            "damaged",
            "外部实体",
        ),
        ("纪要.pdf", files.pdf()[:-10], "damaged", "没有结尾"),
        ("纪要.pdf", b"%PDF-1.7\n<</S/JavaScript/JS(app.alert(1))>>\n%%EOF", "active", "脚本"),
        ("纪要.pdf", b"%PDF-1.7\n<</S/J#61vaScript/JS(app.alert(1))>>\n%%EOF", "active", "脚本"),
        ("纪要.pdf", b"%PDF-1.7\n<</S /Launch /F (cmd.exe)>>\n%%EOF", "active", "脚本"),
        ("说明.txt", b"<script>alert(1)</script>", "content", "脚本"),
        ("说明.txt", b"\xff\xfe\x00\xd8\x01", "content", "另一种文件"),
        ("说明.txt", b"abc\x07", "content", "控制字符"),
        ("方案.doc", b"\xd0\xcf\x11\xe0", "type", "另存为"),
        ("报名.xlsm", files.xlsx(), "type", "宏"),
        ("照片.heic", b"ftypheic", "type", "兼容性最佳"),
        ("安装.exe", files.renamed_exe(), "type", "不接收 .exe"),
        ("照片.jpg.exe", files.picture(), "type", "不接收 .exe"),
        ("照片", files.picture(), "type", "没有扩展名"),
    ],
)
def test_what_may_not_be_attached_is_told_with_what_to_do(name: str, content: bytes, code: str, said: str) -> None:
    with pytest.raises(AttachmentRefused) as refused:
        kind_of(content, name)
    assert refused.value.code == code
    assert said in refused.value.message
    assert refused.value.message.endswith("。")
    assert "；" in refused.value.message or "请" in refused.value.message


def test_a_file_over_the_limit_is_refused_before_it_is_read() -> None:
    class Unreadable(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise AssertionError("was read")

    for name, size in (("扫描.pdf", limit("bytes_per_file") + 1), ("说明.txt", SPEC["kinds"]["txt"]["max"] + 1)):
        with pytest.raises(AttachmentRefused) as refused:
            recognise(Unreadable(), name, size)
        assert refused.value.code == "too_large"
        assert "MB" in refused.value.message


def test_a_picture_that_is_cut_anywhere_or_bent_ends_in_an_answer() -> None:
    for whole, name in ((files.docx(), "a.docx"), (files.picture("PNG"), "a.png"), (files.pdf(), "a.pdf")):
        for cut in range(0, len(whole), max(1, len(whole) // 150)):
            for bent in (whole[:cut], whole[:cut] + b"\xff" * 4 + whole[cut + 4 :]):
                with contextlib.suppress(AttachmentRefused):  # anything else is a defect of ours
                    assert kind_of(bent, name) == name[2:]


def test_a_directory_of_millions_of_members_is_refused_without_reading_it() -> None:
    head = b"PK\x03\x04" + bytes(26)
    directory = (b"PK\x01\x02" + bytes(42)) * 400_000
    end = b"PK\x05\x06" + bytes(4) + (400_000 % 65536).to_bytes(2, "little") * 2
    content = head + directory + end + len(directory).to_bytes(4, "little") + len(head).to_bytes(4, "little") + bytes(2)
    tracemalloc.start()
    with pytest.raises(AttachmentRefused) as refused:
        kind_of(content, "方案.docx")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.code == "zip_bomb"
    assert peak < 25 << 20  # the stream itself, and little more


def test_another_kind_is_taken_when_the_data_says_so() -> None:
    film = b"\0\0\0\x18ftypmp42" + bytes(100)
    with pytest.raises(AttachmentRefused, match="宣传链接"):
        kind_of(film, "现场.mp4")
    kinds = {**SPEC["kinds"], "mp4": {"cn": "视频", "extensions": ["mp4"], "magic": "0000001866747970"}}
    assert kind_of(film, "现场.mp4", spec={**SPEC, "kinds": kinds}) == "mp4"


def test_every_limit_has_its_reason() -> None:
    assert all(found["max"] > 0 and len(found["why"]) > 10 for found in SPEC["limits"].values())
