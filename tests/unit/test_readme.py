"""What the documents say exists: commands, options, make targets, files, tests; and nothing names this machine or a
registry."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest

from credit_local.cli import credit
from credit_local.deployment import DeploySettings
from credit_platforms.access import PREFIX, Access
from credit_producer.cli import cli as producer
from credit_schemas.county import SETTING
from credit_warehouse.settings import SECRETS, Settings

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS: dict[str, click.Group] = {"credit": credit, "credit-producer": producer}
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
COMMAND = re.compile(r"(?:^|[`/“])(credit|credit-producer) +([a-z]+(?:\|[a-z]+)*)((?: [^`\n“”]*)?)", re.MULTILINE)
# A path of this project in backticks: a folder, or a file of a kind that we keep.
ROOMS = r"(?:schemas|producers|warehouse|consumers|expectations|platforms|reports|portal|dags|local|tests|docs|demo)"
PATH = re.compile(rf"`({ROOMS}/(?:[\w.-]+/)*(?:[\w-]+\.(?:py|sql|md|json|toml|csv|avsc))?)`")
# Hosts that only an installer needs: a mirror of one machine must not become everybody's.
REGISTRIES = ("pypi" + ".org", "files.python" + "hosted.org", "repo1." + "maven.org", "registry." + "npmjs.org")
# Folders of the machines this was written on. With a word of its own in front it is no such path.
MACHINE = re.compile(r"(?<![\w.}~*-])/(?:" + "work" + "|" + "root" + r")/[\w.]")
SECTIONS = {
    "README.md": ("给谁用", "## 两条命令", "## 一条记录的路", "## 各个房间", "## 为什么用这些依赖", "## 接下来读什么"),
    "README.en.md": (
        "For whom",
        "## Two commands",
        "## The way of one record",
        "## Rooms",
        "## Why each dependency",
        "## Where to read next",
    ),
}
GUIDES = ("department", "operator", "deployment", "quality", "warehouse", "architecture", "developer")


def read(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def tracked_texts() -> list[tuple[str, str]]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]
    return [(name, (ROOT / name).read_bytes().decode("utf-8", "replace")) for name in files]


def options_of(command: click.Command) -> set[str]:
    return {o for p in command.params for o in p.opts} | {"--help"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_every_command_and_option_a_document_names_exists(document: Path) -> None:
    for program, names, rest in COMMAND.findall(read(document)):
        context = click.Context(PROGRAMS[program])
        for name in names.split("|"):
            found = PROGRAMS[program].get_command(context, name)
            assert found is not None, f"{program} {name}"
            sub = re.match(r" ([a-z]+)", rest)
            if isinstance(found, click.Group) and sub:
                command = found.get_command(context, sub[1])
                assert command is not None, f"{program} {name} {sub[1]}"
                found = command
            said = set(re.findall(r" (--[a-z-]+)", rest))
            assert said <= options_of(found), f"{program} {name}: {said - options_of(found)}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_every_make_target_a_document_names_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", read(ROOT / "Makefile"), re.MULTILINE))
    named = re.findall(r"`(?:[A-Z]+=\S+ )?make ([a-z]+)", read(document))
    assert set(named) <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_every_link_and_every_path_leads_somewhere(document: Path) -> None:
    text = read(document)
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", text):
        assert (document.parent / target).exists(), target
    for path in PATH.findall(text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_every_test_a_document_names_exists(document: Path) -> None:
    code = [read(p) for p in (ROOT / "tests").rglob("test_*.py")]
    made = {name for text in code for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)}
    assert set(re.findall(r"`(test_\w+)`", read(document))) <= made


@pytest.mark.parametrize("name", SECTIONS)
def test_the_readme_has_its_sections_names_the_two_commands_and_where_to_read_next(name: str) -> None:
    text = read(ROOT / name)
    for needed in (*SECTIONS[name], "`make demo`", "`make test`", "`make down`"):
        assert needed in text
    for guide in GUIDES:
        assert f"(docs/{guide}.md)" in text


@pytest.mark.parametrize("name", SECTIONS)
def test_the_readme_gives_a_reason_for_every_dependency(name: str) -> None:
    text = read(ROOT / name)
    ours = ("credit-", "types-", "apache-airflow-providers-")
    for project in ("pyproject.toml", "schemas/pyproject.toml", "producers/pyproject.toml"):
        for package in re.findall(r'^    "([a-z0-9-]+)[^"]*",?$', read(ROOT / project), re.MULTILINE):
            if package.startswith(ours[:2]):
                continue
            said = package.removeprefix(ours[2])
            assert re.search(rf"\b{re.escape(said)}\b", text), f"{package} of {project}"


def test_every_setting_stands_in_a_table_for_operators() -> None:
    wanted = {f"CREDIT_{name}".upper() for model in (Settings, DeploySettings) for name in model.model_fields}
    wanted |= {f"{PREFIX}<目的地>_{name}".upper() for name in Access.model_fields} | {SETTING, SECRETS}
    rows = re.findall(r"^\| (`CREDIT_[^|]+) \|", "".join(read(ROOT / f"docs/{g}.md") for g in GUIDES), re.MULTILINE)
    assert wanted - {name for row in rows for name in named_in(row)} == set()


def named_in(row: str) -> set[str]:
    """The settings of a table row; `CREDIT_A_B` `_C` is short for CREDIT_A_B and CREDIT_A_C (or CREDIT_C)."""
    names: set[str] = set()
    base = ""
    for word in re.findall(r"`([^`]+)`", row):
        if word.startswith("CREDIT_"):
            names.add(word)
            base = word
        else:
            names |= {base[: cut.start()] + word for cut in re.finditer("_", base)}
    return names


def test_no_file_names_a_registry() -> None:
    for name, text in tracked_texts():
        assert not [host for host in REGISTRIES if host in text], name


def test_no_file_names_a_folder_of_the_machine_it_was_written_on() -> None:
    for name, text in tracked_texts():
        assert not MACHINE.search(text), (name, MACHINE.search(text))
