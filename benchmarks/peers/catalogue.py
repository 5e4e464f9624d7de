"""The rows of the table: condgen's own, and peers with the package, the adapter and the conditions of each."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ADAPTERS = Path(__file__).parent / "adapters"
CLASS, FLAGS = "one class", "flags"  # kinds of condition


@dataclass(frozen=True)
class Row:
    """Something that trains on labelled images.

    packages: to install. The first one's version is shown. None for condgen, which is here already.
    takes: the kinds of condition that its published interface can be asked for. A row that takes none trains without.
    side: the only size of images that its example is made for, if it is made for one.
    settings: keyword arguments of the adapter's `train`.
    wrote: the file whose lines a user writes, if not the adapter itself.
    """

    name: str
    adapter: Path
    packages: tuple[str, ...] = ()
    takes: tuple[str, ...] = (CLASS,)
    side: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    wrote: Path | None = None

    @property
    def environment(self) -> str:
        """The name of the folder of its environment."""
        return self.packages[0] if self.packages else "condgen"

    @property
    def slug(self) -> str:
        """Its name as that of a file."""
        return self.name.replace(",", "").replace(" ", "-")

    @property
    def lines(self) -> int:
        """Lines of code that a user writes: no blank lines, comments or docstrings."""
        return lines_of_code((self.wrote or self.adapter).read_text())

    def cannot(self, kind: str, side: int) -> str:
        """A sentence about why it cannot train on such data, empty if it can."""
        if self.takes and kind not in self.takes:
            return f"takes {' or '.join(self.takes)}, not {kind}"
        if self.side not in (None, side):
            return f"its example is for {self.side}×{self.side} pixels"
        return ""


def _row(name: str, *packages: str, takes: tuple[str, ...] = (CLASS,), side: int | None = None, **settings: str) -> Row:
    return Row(name, ADAPTERS / f"{packages[0].replace('-', '_')}.py", packages, takes, side, settings)


def _own(name: str, **settings: str) -> Row:
    return Row(name, ADAPTERS / "condgen.py", takes=(CLASS, FLAGS), settings=settings)


BOTH = (CLASS, FLAGS)
PEERS = (
    _row("torchcfm", "torchcfm", "torchvision", side=28),
    _row("denoising-diffusion-pytorch", "denoising-diffusion-pytorch"),
    _row("rectified-flow-pytorch", "rectified-flow-pytorch", takes=BOTH),
    _row("diffusers", "diffusers", takes=BOTH),
    _row("smalldiffusion", "smalldiffusion", "torch-ema", side=28),
    _row("torchebm", "torchebm", takes=BOTH),
    _row("multivae", "multivae", takes=BOTH),
    _row("multivae, normal", "multivae", takes=BOTH, likelihood="normal"),
    _row("pythae", "pythae", takes=()),
)
DIGITS = ("digits", "digits-cvae", "digits-flow")
PHOTOGRAPHS = ("faces", "faces-gan", "faces-flow")


def own(side: int) -> tuple[Row, ...]:
    """condgen's rows: what it recommends for the data, and its presets for images of this size."""
    presets = DIGITS if side <= 32 else PHOTOGRAPHS
    return (_own("condgen, recommended"), *(_own(f"condgen {name}", preset=name) for name in presets))


def scripts(paths: Iterable[Path]) -> tuple[Row, ...]:
    """Rows of scripts that train a `generator` on torchvision's MNIST: the files, and those in the folders."""
    files = [file for path in paths for file in (sorted(path.glob("*.py")) if path.is_dir() else [path])]
    return tuple(
        Row(
            f"{file.name}, a script",
            ADAPTERS / "script.py",
            ("torchvision", "matplotlib", "scipy"),
            settings={"script": str(file.resolve())},
            wrote=file,
        )
        for file in files
    )


def lines_of_code(text: str) -> int:
    """Lines of Python that hold code: no blank lines, comments or docstrings."""
    tree = ast.parse(text)
    prose = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            prose |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(1 for k, line in lines if k not in prose and line.strip() and not line.strip().startswith("#"))
