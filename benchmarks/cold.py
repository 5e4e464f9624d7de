"""The time of a whole cold process that answers one request, and the modules that it imports.

    python benchmarks/cold.py [MODEL] [--times 20]

MODEL is an exported model of digits, or a run, which needs PyTorch. Without one, a CVAE is trained for a moment and
exported. Each process is `condgen sample MODEL "digit=7" -n 1`. Files are in the system's cache, and modules are
compiled before, as when a package is installed.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEAVY = ("torch", "accelerate", "scipy", "sklearn", "pandas", "pyarrow")
COUNT = """
import sys
from condgen.cli import main
try:
    main()
finally:
    names = {{name.partition(".")[0] for name in sys.modules}}
    print(len(sys.modules), *sorted(names & set({heavy})), file=sys.stderr)
"""


def exported(folder: Path) -> Path:
    """A CVAE of digits, trained for a moment."""
    import condgen

    run = condgen.train("cvae", condgen.load("digits"), folder / "run", images=10_000)
    return run.export("onnx", folder / "digits.onnx")


def once(model: Path, out: Path, code: str = "from condgen.cli import main; main()") -> tuple[float, float, str]:
    """The seconds of a process, its seconds of computing, and what it said on standard error."""
    request = ["sample", str(model), "digit=7", "-n", "1", "--out", str(out)]
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(out.parent / "compiled")
    command = [sys.executable, "-c", code, *request]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended.stderr


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, help="an exported model or a run of digits")
    parser.add_argument("--times", type=int, default=20, help="number of processes")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = args.model or exported(folder)
        once(model, folder / "first")
        taken = [once(model, folder / f"out{k}")[:2] for k in range(args.times)]
        count, *heavy = once(model, folder / "counted", COUNT.format(heavy=HEAVY))[2].split()
    for what, each in zip(("from start to end", "of computing"), zip(*taken, strict=True), strict=True):
        print(f"{what}: {min(each):.2f} s at best, {statistics.median(each):.2f} s in the middle of {args.times}")
    print(f"{count} modules; of training's packages: {', '.join(heavy) or 'none'}")
    print(f"load while measuring: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
