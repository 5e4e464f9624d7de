"""Every command under an audit hook: no connection is opened, no program started, and nothing written elsewhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HOOK = """
import json, os, sys
ALLOWED, SEEN = [os.path.realpath(place) for place in json.loads(sys.argv.pop(1))], []
NAMES = {"socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen", "os.system", "os.exec", "os.fork"}
# The positions of the path, and of the open folder in which it lies if that is not negative.
IPV6 = ("::1", 0)  # urllib3, which boto3 brings, binds a socket to this machine to see whether there is IPv6
WRITES = {"os.mkdir": (0, 2), "os.rename": (1, 3), "os.remove": (0, 1), "os.rmdir": (0, 1), "os.link": (1, 3),
          "os.symlink": (1, 2), "os.truncate": (0, None)}

def outside(path, folder=-1):
    if not isinstance(path, (str, bytes, os.PathLike)):
        return False
    within = os.readlink(f"/proc/self/fd/{folder}") if folder >= 0 else ""
    real = os.path.realpath(os.path.join(within, os.fsdecode(path)))
    return real != os.devnull and not any(real == place or real.startswith(place + os.sep) for place in ALLOWED)

def hook(event, arguments):
    if event in NAMES and not (event == "socket.bind" and arguments[1] == IPV6):
        print(f"AUDIT {event} {arguments!r}"[:300], file=sys.stderr)
    elif event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and outside(arguments[0]):
        print(f"AUDIT written {arguments[0]!r}"[:300], file=sys.stderr)
    elif event in WRITES and outside(*(arguments[k] for k in WRITES[event] if k is not None)):
        print(f"AUDIT {event} {arguments!r}"[:300], file=sys.stderr)

sys.addaudithook(hook)
from condgen.cli import main
main()
"""

TRAIN = ["--images", "1k", "--set", "channels=8", "--set", "latent=4", "--set", "previews=1"]
BRIEF = ["--samples", "200", "--pairs", "20", "--useful", "0", "--edits", "0", "--latents", "0"]
COMMANDS = [
    ["inspect", "digits"],
    ["train", "digits", "--model", "cvae", "--out", "OUT/run", *TRAIN],
    ["resume", "OUT/run"],
    ["sample", "OUT/run", "digit=7", "-n", "2", "--out", "OUT/samples"],
    ["edit", "OUT/run", "OUT/samples/000000.png", "digit=1", "--from", "digit=7", "--out", "OUT/edited"],
    ["gallery", "OUT/run", "--only", "requests", "-n", "1", "--out", "OUT/gallery.html"],
    ["evaluate", "OUT/run", *BRIEF],
    ["doctor", "OUT/run"],
    ["verify", "OUT/run"],
    ["serve", "OUT/run", "--check"],
    ["studio", "OUT/run", "--check"],
    ["export", "OUT/run", "--to", "weights", "--out", "OUT/weights.safetensors"],
    ["datasets"],
    ["presets"],
    ["settings", "cvae"],
]


def audited(arguments: list[str], out: Path) -> tuple[int, list[str], str]:
    """The status of a command, what it did that it should not, and all that it printed."""
    places = [str(out), str(out.parent / "tmp"), str(out.parent / "cache")]
    inherited = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"}
    environment = {**inherited, "CONDGEN_CACHE": places[2], "TMPDIR": places[1], "PYTHONDONTWRITEBYTECODE": "1"}
    given = [argument.replace("OUT", str(out)) for argument in arguments]
    command = [sys.executable, "-c", HOOK, json.dumps(places), *given]
    ended = subprocess.run(command, cwd=out.parent / "here", env=environment, capture_output=True, text=True)
    return ended.returncode, [line for line in ended.stderr.splitlines() if line.startswith("AUDIT")], ended.stderr


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for name in ("out", "tmp", "cache", "here"):
        (tmp_path / name).mkdir()
    return tmp_path / "out"


@pytest.mark.slow
def test_no_command_connects_starts_a_program_or_writes_elsewhere(out: Path) -> None:
    for command in COMMANDS:
        status, seen, told = audited(command, out)
        assert status == 0, f"{command}: {told}"
        assert seen == [], command
    assert not any((out.parent / "here").iterdir())


@pytest.mark.slow
def test_the_hook_sees_a_file_that_is_written_elsewhere(out: Path) -> None:
    status, seen, told = audited(["inspect", "digits", "--out", str(out.parent / "elsewhere")], out)
    assert status == 0, told
    assert any("elsewhere" in line for line in seen)
