"""Parts of the HTML in which results display themselves in a notebook. All text is escaped."""

import base64
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape
from PIL import Image

from condgen.messages import QUOTED

WIDEST = 1_000  # pixels; wider pictures are scaled down


def picture(image: Image.Image, alt: str) -> Markup:
    """A picture within the page. alt: its description in words."""
    image = image.copy()
    image.thumbnail((WIDEST, image.height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG")
    encoded = base64.b64encode(file.getvalue()).decode()
    return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(alt, encoded)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """A table of texts and numbers."""
    return Markup("<table><thead>{}</thead><tbody>{}</tbody></table>").format(
        _row("th", head), Markup().join(_row("td", row) for row in rows)
    )


def _row(tag: str, cells: Iterable[object]) -> Markup:
    cell = Markup(f'<{tag} style="text-align: left">{{}}</{tag}>')
    return Markup("<tr>{}</tr>").format(Markup().join(cell.format(text) for text in cells))


class Listing(dict[str, Any]):
    """Named things in a dictionary that displays itself: one row for each, as text and as a table.

    head: the headings.
    row: the texts of an entry after its name.
    """

    def __init__(self, entries: Mapping[str, Any], head: Sequence[str], row: Callable[[Any], Sequence[str]]):
        super().__init__(entries)
        self._head = head
        self._row = row

    def __repr__(self) -> str:
        width = max(map(len, self), default=0)
        return "\n".join(f"{name:{width}}  {'; '.join(filter(None, self._row(entry)))}" for name, entry in self.items())

    def _repr_html_(self) -> str:
        return str(table(self._head, ((name, *self._row(entry)) for name, entry in self.items())))


def paragraph(text: object) -> Markup:
    """A paragraph."""
    return Markup("<p>{}</p>").format(text)


def frame(address: str, title: str, height: int) -> Markup:
    """Another page in a frame of this many pixels, with a link to it."""
    shown = '<iframe src="{}" title="{}" style="width: 100%; height: {}px; border: 0"></iframe>'
    link = '<p><a href="{}" target="_blank" rel="noopener">Open in a tab of its own</a></p>'
    return Markup(shown).format(address, title, height) + Markup(link).format(address)


def told(text: str) -> Markup:
    """A message, with its parts in backquotes marked as code."""
    return Markup(QUOTED.sub(r"<code>\1</code>", str(escape(text))))
