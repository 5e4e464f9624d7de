"""A gallery as one self-contained HTML file, and as PNG files."""

import base64
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from condgen.errors import RequestError, unknown
from condgen.files import write_text
from condgen.outputs import new_folder
from condgen.pages.gallery.between import interpolations
from condgen.pages.gallery.look import GalleryContext
from condgen.pages.gallery.panels import Section
from condgen.pages.gallery.real import edits, neighbours
from condgen.pages.gallery.sampled import by_request, guidance, sweeps
from condgen.pages.html import LARGE, fill
from condgen.pictures import save_picture
from condgen.progress import Progress, shown

QUALITY = 92  # quality of photographs in the page
LOSSLESS = 32  # largest side in pixels of lossless pictures
TITLE = b"<title>Gallery of "  # begins the title of every gallery's page
HEAD = 1_000  # bytes of a page in which its title begins

SECTIONS: dict[str, Callable[[GalleryContext], Section]] = {
    "requests": by_request,
    "sweeps": sweeps,
    "guidance": guidance,
    "interpolations": interpolations,
    "edits": edits,
    "neighbours": neighbours,
}
NEEDING_DATA = ("interpolations", "edits", "neighbours")


@dataclass(frozen=True)
class Gallery:
    """The sections of a run's gallery."""

    look: GalleryContext
    sections: tuple[Section, ...]

    def html(self) -> str:
        """The page, including its pictures."""
        facts = [f"{self.look.run.info.images:,} images seen in training", f"seed {self.look.seed}"]
        facts.append("read by a judge" if self.look.judge else "no judge: condgen evaluate trains one")
        run = self.look.run
        model = run.info.recipe["model"]
        return fill("gallery.html", webp_uri, sections=self.sections, run=run.path, model=model, facts=facts)

    def save(self, path: Path) -> Path:
        """Write the page atomically. Raises RunError if it cannot be written."""
        return write_text(path, self.html())

    def save_pictures(self, folder: Path) -> list[Path]:
        """Write every panel as a PNG file into a new folder. Raises RequestError if the folder is not empty."""
        panels = [(s.name, k, panel) for s in self.sections for k, panel in enumerate(s.panels)]
        names = [f"{name}-{k + 1:02}-{_slug(panel.title)}.png" for name, k, panel in panels]
        with new_folder(folder, "the pictures") as partial:
            for name, (_, _, panel) in zip(names, panels, strict=True):
                save_picture(panel.picture(), partial / name)
        return [folder / name for name in names]


def gallery(look: GalleryContext, only: Sequence[str] = (), progress: Progress | None = None) -> Gallery:
    """A run's gallery. only: names of sections, by default all. progress: a bar or log lines by default.

    Raises RequestError for a run of vectors, an unknown section, or wrong options of sampling.
    """
    if len(look.run.model.shape) != 3:
        raise RequestError(f"{look.run.path} makes vectors; a gallery shows images.")
    for name in only:
        if name not in SECTIONS:
            raise unknown("section of a gallery", name, SECTIONS)
    look.sampling.validate_for(look.run.model)
    return Gallery(look, tuple(_sections(look, only or tuple(SECTIONS), progress or shown())))


def _sections(look: GalleryContext, names: Sequence[str], progress: Progress) -> Iterator[Section]:
    with progress.task("gallery", len(names), unit="sections") as task:
        for k, name in enumerate(names, 1):
            progress.note(f"{name} …")
            yield SECTIONS[name](look)
            task.move(k)


def must_be_replaceable(page: Path) -> None:
    """Raise RequestError for a folder, and for a file that is not a gallery's page. A new name passes."""
    if page.is_dir():
        raise RequestError(f"{page} is a folder. Name a file for the gallery, such as {page / 'gallery.html'}.")
    if page.exists() and not _is_gallery(page):
        raise RequestError(f"{page} is there already and is no gallery; nothing was overwritten. Choose a new name.")


def _is_gallery(file: Path) -> bool:
    with file.open("rb") as opened:
        return TITLE in opened.read(HEAD)


def webp_uri(image: Image.Image) -> str:
    """A picture inside the page: lossless if it is small, else compressed as a photograph."""
    image = image.copy()
    image.thumbnail((LARGE, LARGE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.convert("RGB").save(file, "WEBP", quality=QUALITY, lossless=max(image.size) <= LOSSLESS)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def _slug(title: str) -> str:
    """A title as part of a file's name."""
    return re.sub(r"[^\w=.-]+", "-", title).strip("-.")[:60] or "panel"
