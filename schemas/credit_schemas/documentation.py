"""The standard (标准数据结构规范) as pages and as one document, made from the catalogue.

`python -m credit_schemas.documentation docs/datasets` writes the pages into that folder and the document beside it;
with `--check` it writes nothing, names what is not as the schema files say now, and fails.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

from .catalogue import Catalogue, load_catalogue
from .dataset import ContractError, Dataset
from .standard_blocks import Block, Heading, Text, markdown
from .standard_pages import (
    STANDARD,
    acts_blocks,
    codes_blocks,
    conventions_blocks,
    dataset_blocks,
    index_blocks,
    rules_blocks,
)

MADE = "<!-- 由 python -m credit_schemas.documentation 生成；要改请改 schemas/credit_schemas 里的数据文件。 -->"


def dataset_page(dataset: Dataset, catalogue: Catalogue) -> str:
    """The Markdown page of a dataset: facts, columns, rules with severity and source, code sets, key, examples."""
    return _page(f"{dataset.cn}（{dataset.id}）数据结构规范", dataset_blocks(dataset, catalogue))


def pages(catalogue: Catalogue) -> dict[str, str]:
    """File name to Markdown: a page a dataset, and those of the whole standard. Raises ContractError on a clash."""
    made = {
        "index.md": _page(
            STANDARD["title"],
            [
                *(Text(text.format(county=catalogue.county.name)) for text in STANDARD["introduction"]),
                Text(
                    "各数据集共用的内容：[代码集](codesets.md)、[校验规则](rules.md)、[记录操作和状态](acts.md)、"
                    f"[归集口径](conventions.md)。全部内容另有一份文档：[{STANDARD['file']}](../{STANDARD['file']})。"
                ),
                *index_blocks(catalogue),
            ],
        ),
        "codesets.md": _page("代码集", codes_blocks(catalogue)),
        "rules.md": _page("校验规则", rules_blocks(catalogue)),
        "acts.md": _page("记录操作和状态", acts_blocks(catalogue)),
        "conventions.md": _page("归集口径", conventions_blocks()),
    }
    for d in catalogue.datasets.values():
        name = f"{d.id}.md"
        if name in made:
            raise ContractError(f"a dataset cannot be called {d.id}: a page of the standard has that name")
        made[name] = dataset_page(d, catalogue)
    return made


def write_pages(catalogue: Catalogue, folder: Path) -> list[Path]:
    """Write the pages; returns the files. Pages of datasets that are gone are removed."""
    made = pages(catalogue)
    folder.mkdir(parents=True, exist_ok=True)
    for gone in _gone(folder, made):
        gone.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in sorted(made)]


def document_path(folder: Path) -> Path:
    """Where the document stands: beside the folder of the pages."""
    return folder.parent / STANDARD["file"]


def write_all(catalogue: Catalogue, folder: Path) -> list[Path]:
    """Write the pages and the document; returns the files. Needs python-docx (the center's distribution has it)."""
    from .standard_docx import standard_docx

    written = write_pages(catalogue, folder)
    document_path(folder).write_bytes(standard_docx(catalogue))
    return [*written, document_path(folder)]


def stale(catalogue: Catalogue, folder: Path) -> list[Path]:
    """Files that are missing, left over or not what the schema files say now."""
    from .standard_docx import standard_docx

    made = pages(catalogue)
    found = [folder / name for name, text in sorted(made.items()) if _read(folder / name) != text.encode()]
    kept = _read(document_path(folder))
    if kept is None or _members(kept) != _members(standard_docx(catalogue)):
        found.append(document_path(folder))
    return found + _gone(folder, made)


def _page(title: str, blocks: list[Block]) -> str:
    return f"{MADE}\n\n" + markdown([Heading(1, title), *blocks])


def _gone(folder: Path, made: dict[str, str]) -> list[Path]:
    """Pages that were made once and are not any more; a person's own pages stay."""
    return [p for p in folder.glob("*.md") if p.name not in made and p.read_text(encoding="utf-8").startswith(MADE)]


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _members(docx: bytes) -> dict[str, bytes]:
    """The parts of a document: how well they were compressed is a matter of the zlib at hand."""
    with zipfile.ZipFile(io.BytesIO(docx)) as z:
        return {name: z.read(name) for name in z.namelist()}


def main(arguments: list[str]) -> int:
    """The command; returns its exit code."""
    check = "--check" in arguments
    folders = [a for a in arguments if a != "--check"]
    if len(folders) != 1:
        print("usage: python -m credit_schemas.documentation [--check] <folder>", file=sys.stderr)
        return 2
    folder = Path(folders[0])
    if not check:
        for path in write_all(load_catalogue(), folder):
            print(path)
        return 0
    found = stale(load_catalogue(), folder)
    for path in found:
        print(f"{path} is stale: run `make docs`", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
