"""Preparation by several processes, killed as a whole or in one of its processes, ends with the same bytes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SCRIPT = """
import sys
from condgen.data import load, prepare
from condgen.errors import DataError
prepare.SMALL, prepare.CHUNK = -1, 0
print("ready", flush=True)
try:
    load(sys.argv[1], progress=lambda done, of: print(done, flush=True))
except DataError as error:
    print(error)
    sys.exit(3)
"""


def pictures(folder: Path, n: int) -> Path:
    for k in range(n):
        (folder / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(k).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((256, 256), Image.Resampling.NEAREST).save(folder / "ab"[k % 2] / f"{k}.png")
    return folder


def preparing(data: Path, cache: Path) -> subprocess.Popen[str]:
    """In a group of its own, so that its processes can be killed with it."""
    environment = os.environ | {"CONDGEN_CACHE": str(cache)}
    command = [sys.executable, "-c", SCRIPT, str(data)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)


def until(process: subprocess.Popen[str], images: int) -> None:
    """Wait until so many images are prepared."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip().isdigit() and int(line) >= images:
            return


def workers(parent: int) -> list[int]:
    """The processes that decode for this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            said = (entry / "cmdline").read_bytes()
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent and b"popen_loky" in said:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def kept(cache: Path) -> dict[str, bytes]:
    files = (p for p in sorted(cache.rglob("*")) if p.is_file() and p.suffix in (".u8", ".json"))
    return {str(p.relative_to(cache)): p.read_bytes() for p in files}


def test_killed_processes_leave_nothing_that_is_not_so_without_the_kill(tmp_path: Path) -> None:
    data, cache = pictures(tmp_path / "data", 96), tmp_path / "killed"
    victim = preparing(data, cache)
    until(victim, 1)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.communicate()
    assert not list(cache.rglob("prepared.json"))
    widow = preparing(data, cache)
    until(widow, 1)
    if helpers := workers(widow.pid):
        os.kill(helpers[0], signal.SIGKILL)
        said, _ = widow.communicate(timeout=30)
        assert (widow.returncode == 3 and "was killed" in said) or widow.returncode == 0
    for folder in (cache, tmp_path / "undisturbed"):
        last = preparing(data, folder)
        last.communicate(timeout=60)
        assert last.returncode == 0
    assert kept(cache) == kept(tmp_path / "undisturbed")
    assert len(kept(cache)) == 2
