"""Every command and every line of Python that the documentation shows is run, with small budgets."""

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from condgen.cli import app
from tests.conftest import Command

from .blocks import ROOT, Block, blocks, pages, parsed, replaced, runs

MOST_SKIPPED = 72  # blocks that say why they are not run; raise it knowingly


PIP = """\
# Stands in for `pip install FOLDER`, which needs a network: the package and its entry points, below installed/.
import pathlib, shutil, sys, tomllib
folder, target = pathlib.Path(sys.argv[-1]), pathlib.Path("installed")
project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
shutil.copytree(folder, target, dirs_exist_ok=True)
about = target / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
about.mkdir()
(about / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {project['name']}\\nVersion: {project['version']}\\n")
groups = [f"[{group}]\\n" + "\\n".join(f"{n} = {o}" for n, o in points.items())
          for group, points in project.get("entry-points", {}).items()]
(about / "entry_points.txt").write_text("\\n\\n".join(groups))
"""


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `condgen` of this checkout in `bin/`, and one cache for all pages."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "bin").mkdir()
    (folder / "pip.py").write_text(PIP)
    for name, runs_what in (("condgen", "-m condgen.cli"), ("pip", f'"{folder}/pip.py"')):
        command = folder / "bin" / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {runs_what} "$@"\n')
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return folder


@pytest.fixture
def surroundings(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder with `condgen` and `python` on the path."""
    monkeypatch.chdir(tmp_path)
    path = [f"{workplace}/bin", str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), "installed"]))
    monkeypatch.setenv("CONDGEN_CACHE", str(workplace / "cache"))


def execute(block: Block, names: dict[str, Any], command: Command) -> None:
    """Save or run a block; names that Python defines are there in the page's later blocks."""
    if block.file:
        Path(block.file).parent.mkdir(parents=True, exist_ok=True)
        Path(block.file).write_text(block.text + "\n")
        return
    if block.language == "python":
        exec(compile(block.runnable(), block.where, "exec"), names)
        return
    for line in block.runnable().replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        alone = words[:1] == ["condgen"] and not {"<", ">", ";", "&&"} & set(words)
        if alone and not Path("installed").exists():  # in this process: PyTorch is imported already
            done = command(*words[1:])
            assert done.status == 0, f"{block.where}: {line}\n{done.out}\n{done.err}"
        else:
            in_a_shell(line, block.where)


def in_a_shell(line: str, where: str) -> None:
    """Run a line that is more than one command of condgen."""
    script = f"set -euo pipefail\n{line}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{where}: {line}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.usefixtures("surroundings")
@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_shows_runs(page: Path, command: Command) -> None:
    names: dict[str, Any] = {"__name__": "__docs__"}
    for block in runs(page):
        if not block.skip:
            execute(block, names, command)


def test_blocks_that_are_not_run_say_why_and_are_few() -> None:
    skipped = [block for page in pages() for block in runs(page) if any(k == "skip" for k, _ in block.directives)]
    assert all(block.skip for block in skipped), 'a block that is skipped says why: skip="needs …"'
    assert len(skipped) <= MOST_SKIPPED, [block.where for block in skipped]


def lines_that_are_skipped() -> list[tuple[str, str]]:
    """(where, line) of the commands that are shown but not run."""
    return [
        (block.where, line)
        for page in pages()
        for block in runs(page)
        if block.skip and block.language == "sh"
        for line in block.text.replace("\\\n", " ").splitlines()
    ]


def test_options_of_commands_that_are_not_run_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("condgen.runs.place.must_hold_a_run", lambda run: None)
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    parsed_ones = 0
    for where, line in lines_that_are_skipped():
        words = shlex.split(line, comments=True)
        if words[:1] == ["condgen"]:
            try:
                commands[words[1]].make_context(words[1], words[2:])
            except Exception as error:
                pytest.fail(f"{where}: {line}: {error}")
            parsed_ones += 1
    assert parsed_ones


def test_options_of_benchmarks_that_are_shown_exist() -> None:
    for where, line in lines_that_are_skipped():
        words = shlex.split(line, comments=True)
        if words[:3] == ["python", "-m", "benchmarks.peers"]:
            words[1:3] = ["benchmarks/peers/__main__.py"]
        if words[:1] == ["python"] and words[1].endswith(".py"):
            text = (ROOT / words[1]).read_text() + (ROOT / "benchmarks" / "cells.py").read_text()
            missing = [word for word in words if word.startswith("--") and f'"{word}"' not in text]
            assert not missing, f"{where}: {words[1]} has no {missing}"


def test_no_command_hides_from_the_tests() -> None:
    """A command outside a block that is run would never be noticed when it goes stale."""
    hidden = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        hidden += [b.where for b in blocks(page) if b.language in ("", "console", "bash") and "condgen " in b.text]
        hidden += [f"{page.name}: {line}" for line in page.read_text().splitlines() if line.startswith("    condgen ")]
    assert not hidden


def test_a_comment_replaces_values_and_adds_options(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    comment = '<!-- test: budget=3s n=2 evaluate+="--samples 9" -->'
    shell = "```sh\ncondgen train a --budget 10m -n 16\ncondgen evaluate a\n```"
    page.write_text(f"{comment}\n\n{shell}\n\n```python\nf(n=16)\n```\n")
    first, second = blocks(page)
    assert (first.line, first.language, second.directives) == (3, "sh", ())
    assert first.runnable() == "condgen train a --budget 3s -n 2\ncondgen evaluate --samples 9 a"
    assert replaced("f(x, images=300_000)", "images", "2_000") == "f(x, images=2_000)"
    assert parsed('<!-- test: skip="needs a GPU" -->') == (("skip", "needs a GPU"),)


def test_a_comment_that_changes_nothing_is_an_error() -> None:
    with pytest.raises(AssertionError, match="'budget'"):
        replaced("condgen train a --images 3", "budget", "3s")
