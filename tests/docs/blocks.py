"""The fenced blocks of a page, and how a test runs each of them.

A page's `sh` and `python` blocks are run in order, in one folder. An HTML comment above a block, which readers of the
page do not see, says how the test differs from what a reader would do:

    <!-- test: budget=3s samples=200 -->                 values of options and arguments in place of those shown
    <!-- test: evaluate+="--samples 200 --pairs 50" -->  options added to every `condgen evaluate`
    <!-- test: skip="needs celeba10k64" -->              not run, and why

A block with a title, as in ```python title="my-package/my_module.py", is a file of that name, written for later blocks.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN = ("sh", "python")  # languages of blocks that a reader could run
COMMENT = re.compile(r"<!-- test: (.*) -->")
FENCE = re.compile(r"( *)```(\w*)(?: title=\"([^\"]+)\")?")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    file: str = ""
    directives: tuple[tuple[str, str], ...] = ()

    @property
    def skip(self) -> str | None:
        """Why it is not run, if it is not."""
        return dict(self.directives).get("skip")

    @property
    def where(self) -> str:
        """Page and line, as messages name them."""
        return f"{self.page.name}:{self.line}"

    def runnable(self) -> str:
        """The text with what the comment asks for."""
        text = self.text
        for key, value in self.directives:
            text = added(text, key[:-1], value) if key.endswith("+") else replaced(text, key, value, self.where)
        return text


def pages() -> list[Path]:
    """The README and every page of the site that has a block to run."""
    written = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in written if page.exists() and any(runs(page))]


def runs(page: Path) -> Iterator[Block]:
    """The blocks of a page that a reader could run or save."""
    return (block for block in blocks(page) if block.language in RUN or block.file)


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of a page, with the directives of the comment right above it."""
    lines = iter(enumerate(page.read_text().splitlines(), 1))
    directives: tuple[tuple[str, str], ...] = ()
    for number, line in lines:
        if fence := FENCE.match(line):
            indent = len(fence[1])
            inside = takewhile(lambda body: body[1].strip() != "```", lines)
            text = "\n".join(body[indent:] for _, body in inside)
            yield Block(page, number, fence[2], text, fence[3] or "", directives)
        if line.strip():
            directives = parsed(line)


def parsed(line: str) -> tuple[tuple[str, str], ...]:
    """The directives of a comment, in order: (name, value)."""
    comment = COMMENT.search(line)
    words = shlex.split(comment[1]) if comment else []
    return tuple((key, value) for key, _, value in (word.partition("=") for word in words))


def replaced(text: str, key: str, value: str, where: str = "") -> str:
    """The text with another value of `--key VALUE` or `key=VALUE`."""
    option = rf"(--?{re.escape(key)}[ =])(\"[^\"]*\"|\S+)"
    argument = rf"(\b{re.escape(key)}=)(\"[^\"]*\"|[^\s,)]+)"
    new, n = re.subn(rf"{option}|{argument}", lambda m: (m[1] or m[3]) + value, text)
    assert n, f"{where}: the comment replaces '{key}', which the block does not have"
    return new


def added(text: str, command: str, options: str) -> str:
    """The text with options added to every `condgen COMMAND`."""
    return re.sub(rf"\bcondgen {re.escape(command)}\b", rf"\g<0> {options}", text)
