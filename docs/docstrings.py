"""Arguments in docstrings as definition lists on the reference pages (mkdocs.yml, `extensions`).

In the code they are plain lines, `name: text`, which Markdown would run together into one paragraph.
"""

import re
from typing import Any

import griffe

ARGUMENT = re.compile(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*(?: …)?): (.+)")


class Arguments(griffe.Extension):
    """Rewrites every docstring when it is read."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite an object's docstring, if it has one."""
        if obj.docstring:
            obj.docstring.value = with_lists(obj.docstring.value)


def with_lists(docstring: str) -> str:
    """A docstring with its paragraphs of arguments as definition lists. The first paragraph is the summary."""
    summary, *others = docstring.split("\n\n")
    return "\n\n".join([summary, *map(_listed, others)])


def _listed(paragraph: str) -> str:
    if not all(ARGUMENT.match(line) or line.startswith("    ") for line in paragraph.splitlines()):
        return paragraph
    joined = re.sub(r"\n {4,}", " ", paragraph)
    found = [ARGUMENT.fullmatch(line) for line in joined.splitlines()]
    return "\n\n".join(f"`{each[1]}`\n:   {each[2]}" for each in found if each) if all(found) else paragraph
