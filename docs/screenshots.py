"""The pictures of the guide to the studio: `make screenshots`, or `python -m docs.screenshots --runs DIR [NAME …]`.

They show digits and rendered worlds. Runs that DIR lacks are trained and measured first, a few minutes each. Needs
Chromium with its driver, and selenium.
"""

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

import condgen
from condgen.cli import main
from tests.browser import Page, chromium
from tests.studio.browser import studio

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images" / "studio"
DESK, PHONE = (1280, 860), (375, 780)
TRAINED = {
    "portraits": ("portraits", "--model", "cvae", "--budget", "3m"),
    "cars": ("cars", "--model", "cvae", "--budget", "3m"),
    "digits": ("digits", "--model", "cvae", "--preset", "demo", "--images", "500k"),
    "digits-flow": ("digits", "--model", "flow", "--budget", "2m"),
}
Scene = Callable[[Page, str], None]


def shown(page: Page, address: str, size: tuple[int, int] = DESK, scheme: str = "light") -> None:
    """Open an address and wait until all of it is there."""
    page.open(address, *size[:1], scheme, size[1])
    page.until("document.querySelector('main.view h1')")
    page.settle()


def ask(page: Page, address: str) -> None:
    """A request in words, and one sample of it chosen."""
    shown(page, f"{address}#/ask?model=portraits")
    page.all("#words")[0].send_keys("red or white hair, glasses, no hat")
    page.settle()
    time.sleep(1)
    page.settle()
    page.run("document.querySelectorAll('.grid .face')[7].click()")


def dark(page: Page, address: str) -> None:
    """Cars at night."""
    shown(page, f"{address}#/ask?model=cars&is.color=%5B%22red%22%2C%22yellow%22%5D&is.stripe=yes", scheme="dark")


def phone(page: Page, address: str) -> None:
    """The same page on a phone."""
    shown(page, f"{address}#/ask?model=portraits&is.glasses=yes&is.hat=yes", PHONE)


def edit(page: Page, address: str) -> None:
    """A photograph with glasses put on, one half as it was."""
    shown(page, f"{address}#/edit?model=portraits")
    with tempfile.TemporaryDirectory() as folder:
        page.drop("main", *_photographs(Path(folder)))
        page.until("document.querySelector('.photograph')")
    page.settle()
    page.run("document.querySelectorAll('[data-attribute=glasses] .segments input')[1].click()")
    page.until("document.querySelector('.outcome')")
    page.set(page.field("Share of the picture"), 42)


def explore(page: Page, address: str) -> None:
    """Every colour of every kind of car."""
    shown(page, f"{address}#/explore?model=cars")


def latents(page: Page, address: str) -> None:
    """The latent map of digits."""
    shown(page, f"{address}#/explore?model=digits&explore.part=latents")
    page.until("document.querySelector('.explore svg circle, .explore canvas, .explore svg path, .explore svg use')")


def compare(page: Page, address: str) -> None:
    """Two families asked for the same."""
    shown(page, f"{address}#/compare?model=digits&is.digit=%5B%223%22%2C%225%22%2C%228%22%5D")


def train(page: Page, address: str) -> None:
    """A training under way."""
    shown(page, f"{address}#/train")
    page.button("digits").click()
    page.until("document.querySelector('.recipe button.main')")
    page.set(page.named(".recipe select", "Kind of model"), "cvae")
    page.settle()
    page.run("document.querySelector('.recipe button.main').click()")
    page.until("document.querySelectorAll('.watch img').length", seconds=120)
    time.sleep(30)


def report(page: Page, address: str) -> None:
    """The findings on a model."""
    shown(page, f"{address}#/report?model=digits")


SCENES: dict[str, Scene] = {
    each.__name__: each for each in (ask, dark, phone, edit, explore, latents, compare, report, train)
}


def _photographs(folder: Path) -> list[Path]:
    """Two rendered people whom the model never saw, one of them without glasses, as files."""
    held_out = condgen.load("portraits").test
    bare = held_out[held_out.condition.values["glasses"] == 0]
    files = [folder / "a person.png", folder / "another person.png"]
    for file, x in zip(files, bare.x[3:5], strict=True):
        Image.fromarray(x.permute(1, 2, 0).numpy()).resize((256, 256), Image.Resampling.NEAREST).save(file)
    return files


def _command(*words: str) -> None:
    sys.argv = ["condgen", *words]
    try:
        main()
    except SystemExit as stopped:
        if stopped.code:
            raise


def _made(runs: Path) -> dict[str, Path]:
    """The runs of the pictures. Those that are missing are trained."""
    for name, words in TRAINED.items():
        if not (runs / name).exists():
            _command("train", *words, "--out", str(runs / name))
    if not (runs / "digits" / "report.json").exists():
        _command("evaluate", str(runs / "digits"), "--samples", "3000", "--useful", "0")
    return {name: runs / name for name in TRAINED}


def _save(page: Page, name: str) -> None:
    shot = Image.open(io.BytesIO(page.picture(Path(tempfile.mkdtemp()) / "shot.png").read_bytes())).convert("RGB")
    shot.save(IMAGES / f"{name}.webp", quality=82, method=6)


def draw(runs: Path, names: list[str]) -> None:
    """Make the pictures of these names, or all."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        studio(_made(runs), runs=Path(folder) / "runs") as address,
        chromium(Path(folder) / "browser") as driver,
    ):
        page = Page(driver)
        for name in names or SCENES:
            SCENES[name](page, address)
            page.settle(patience=3)
            _save(page, name)
        page.open("about:blank")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *SCENES])
    parser.add_argument("--runs", type=Path, default=ROOT / "demo" / "studio")
    given = parser.parse_args()
    draw(given.runs, given.names)
