"""The built wheel in an empty environment: every command of the command line once, on digits.

    python tests/wheel.py [--alone]

Builds the wheel, looks for its data files in it, and installs it into a new environment in a temporary folder. That
environment borrows the dependencies of the Python that runs this, but not condgen itself; with --alone it downloads its
own, as a stranger's would. A second environment has what asking an exported model takes, and no PyTorch.
"""

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
import zipfile
from importlib.metadata import distribution, requires
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
SMALL = ("--set", "channels=8", "--set", "depth=1", "--set", "batch=64", "--set", "previews=0")
BRIEF = ("--samples", "200", "--pairs", "50", "--useful", "0")
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("datasets",),
    ("presets",),
    ("settings", "cvae"),
    ("inspect", "digits", "--out", "inspected"),
    ("train", "digits", "--model", "cvae", "--images", "3000", "--out", "cvae", "--set", "latent=4", *SMALL),
    ("resume", "cvae"),
    ("sample", "cvae", "a 7", "-n", "2", "--out", "sevens"),
    ("edit", "cvae", "sevens/000000.png", "a 3", "--from", "a 7", "--out", "threes"),
    ("gallery", "cvae", "--out", "gallery.html"),
    ("evaluate", "cvae", *BRIEF, "--edits", "0", "--latents", "0"),
    (
        "augment",
        "digits",
        "--run",
        "cvae",
        "--attribute",
        "digit",
        "--worth",
        "1",
        "--judge-images",
        "1k",
        "--out",
        "even",
    ),
    ("doctor", "cvae"),
    ("verify", "cvae"),
    ("serve", "cvae", "--check"),
    ("studio", "cvae", "--check"),
    ("export", "cvae", "--to", "weights", "--out", "digits.safetensors"),
    ("export", "cvae", "--to", "hub", "--out", "shared"),
    ("export", "cvae", "--to", "onnx", "--out", "digits.onnx"),
    ("push", "--help"),  # the Hub cannot be reached from everywhere
    ("train", "digits", "--model", "flow", "--images", "1000", "--out", "flow", *SMALL),
    ("distill", "flow", "--budget", "3s", "--out", "quick"),
    ("compare", "cvae", "quick", "--out", "compared", *BRIEF),
)


def say(*command: object, cwd: Path = ROOT, **environment: str) -> str:
    """What a command prints. Ends this script with all that it said if it fails."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=clean | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(folder: Path) -> Path:
    """The wheel, built from the sources."""
    build_with = os.environ.get("PIP_CONSTRAINT", str(ROOT / "constraints.txt"))
    say(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT, PIP_CONSTRAINT=build_with)
    (wheel,) = folder.glob("condgen-*.whl")
    return wheel


def check_contents(wheel: Path) -> None:
    """Every file of the package is in the wheel: templates and word lists as well as modules."""
    names = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "src" / "condgen"
    files = {f"condgen/{p.relative_to(package).as_posix()}" for p in package.rglob("*") if p.is_file()}
    missing = sorted(name for name in files - names if "__pycache__" not in name)
    if missing:
        sys.exit(f"The wheel lacks {', '.join(missing)}.")
    print(f"{wheel.name}: {len(names)} files, {sum(not n.endswith('.py') for n in names)} of them data")


def environment(folder: Path, wheel: Path, extras: str, lent: Path | None) -> Path:
    """A new environment with the wheel in it; the folder of its commands.

    lent: a folder of packages that it borrows. Without one it downloads its own.
    """
    say(sys.executable, "-m", "venv", folder)
    commands = folder / ("Scripts" if os.name == "nt" else "bin")
    how = ("--no-deps",) if lent else ("--constraint", ROOT / "constraints.txt")
    quiet = ("--quiet", "--disable-pip-version-check")
    say(commands / "python", "-m", "pip", "install", *quiet, *how, f"{wheel}[{extras}]")
    if lent:  # a folder in a .pth file is searched last, and its own .pth files (an editable condgen) do nothing
        site = Path(say(commands / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        (site / "borrowed.pth").write_text(f"{lent}\n")
    return commands


def required(extra: str) -> set[str]:
    """The packages that condgen and an extra of it need, directly or not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting = [Requirement(each) for each in (*project["dependencies"], *project["optional-dependencies"][extra])]
    found: set[str] = set()
    while waiting:
        this = waiting.pop()
        applies = not this.marker or this.marker.evaluate({"extra": ""})
        if applies and this.name not in found:
            found.add(this.name)
            waiting += map(Requirement, requires(this.name) or ())
    return found


def lend(folder: Path, names: set[str]) -> Path:
    """A folder with links to these installed packages alone."""
    folder.mkdir()
    for name in names:
        for file in distribution(name).files or ():
            top, target = file.parts[0], folder / file.parts[0]
            if top not in ("..", "__pycache__") and not target.exists():
                target.symlink_to(Path(str(distribution(name).locate_file(top))).resolve())
    return folder


def ask_without_pytorch(commands: Path, folder: Path) -> None:
    """Samples of an exported model where only the extra `runtime` is installed, and what another command says there."""
    say(commands / "condgen", "sample", "digits.onnx", "a 7", "-n", "2", "--out", "portable", cwd=folder)
    if not (folder / "portable" / "000001.png").exists():
        sys.exit("Nothing was sampled without PyTorch.")
    code = "import subprocess as s; print(s.run(['condgen', 'resume', 'cvae'], capture_output=True, text=True).stderr)"
    told = say(commands / "python", "-c", code, cwd=folder, PATH=f"{commands}{os.pathsep}{os.environ['PATH']}")
    if "pip install 'condgen[train]'" not in told:
        sys.exit(f"Without PyTorch, `condgen resume` says: {told}")
    print("       condgen[runtime] alone: sampled from digits.onnx")


def main() -> None:
    """Build, install, and run every command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alone", action="store_true", help="download the dependencies instead of borrowing them")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build(folder)
        check_contents(wheel)
        lent = None if args.alone else Path(sysconfig.get_path("purelib"))
        commands = environment(folder / "environment", wheel, "onnx,hub,serve,train", lent)
        where = say(commands / "python", "-c", "import condgen; print(condgen.__file__)", cwd=folder).strip()
        if not Path(where).is_relative_to(folder):
            sys.exit(f"condgen was imported from {where}, not from the wheel")
        listed = say(commands / "python", "-c", LISTED, cwd=folder).split()
        if untried := set(listed) - {command for command, *_ in COMMANDS}:
            sys.exit(f"No example of {', '.join(sorted(untried))} in {Path(__file__).name}; add one to COMMANDS.")
        for command in COMMANDS:
            if command[0] not in listed:
                sys.exit(f"There is no command {command[0]}.")
            started = time.monotonic()
            say(commands / "condgen", *command, cwd=folder, CONDGEN_CACHE=str(folder / "cache"), OMP_NUM_THREADS="1")
            print(f"{time.monotonic() - started:5.1f} s  condgen {' '.join(command)}", flush=True)
        few = None if args.alone else lend(folder / "lent", required("runtime"))
        ask_without_pytorch(environment(folder / "without", wheel, "runtime", few), folder)


LISTED = "from condgen.cli import app; print(*(c.name or c.callback.__name__ for c in app.registered_commands))"

if __name__ == "__main__":
    main()
