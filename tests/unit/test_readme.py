"""What the documents say exists: commands, make targets, linked files; and nothing names this machine or a registry."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest

from credit_local.cli import credit
from credit_producer.cli import cli as producer

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS: dict[str, click.Group] = {"credit": credit, "credit-producer": producer}
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(p for p in ROOT.glob("docs/*.md"))])
COMMAND = re.compile(r"(?:^|[`/])(credit|credit-producer) ([a-z]+)(?: ([a-z]+))?", re.MULTILINE)
# Hosts that only an installer needs: a mirror of one machine must not become everybody's.
REGISTRIES = ("pypi" + ".org", "files.python" + "hosted.org", "repo1." + "maven.org", "registry." + "npmjs.org")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_every_command_a_document_names_exists(document: Path) -> None:
    for program, command, sub in COMMAND.findall(document.read_text(encoding="utf-8")):
        context = click.Context(PROGRAMS[program])
        found = PROGRAMS[program].get_command(context, command)
        assert found is not None, f"{program} {command}"
        if isinstance(found, click.Group) and sub:
            assert found.get_command(context, sub) is not None, f"{program} {command} {sub}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_every_make_target_a_document_names_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = re.findall(r"`(?:[A-Z]+=\S+ )?make ([a-z]+)", document.read_text(encoding="utf-8"))
    assert set(named) <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("name", ["README.md", "README.en.md"])
def test_the_readme_names_the_two_commands_and_where_to_read_next(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for needed in ("make demo", "make test", "docs/department.md", "docs/operator.md", "docs/architecture.md"):
        assert needed in text


def test_no_file_names_a_registry() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in tracked.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            assert not [host for host in REGISTRIES if host in text], name
