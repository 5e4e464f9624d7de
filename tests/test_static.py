"""No module runs what a file says, starts a program, or opens a connection but where that is its task."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import condgen

ROOT = Path(condgen.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "subprocess", "pty", "code", "xmlrpc"}
NETWORK = {"socket", "ssl", "urllib", "http", "requests", "httpx", "aiohttp", "ftplib", "smtplib", "telnetlib"}
ASKED = {  # modules that may know of the network, and what for
    "data/storage/downloads.py": "published data sets, named by a person",
    "data/readers/hub.py": "takes addresses apart",
    "files.py": "the machine's own name",
    "locks.py": "the machine's own name",
    "outputs.py": "the machine's own name",
    "runs/remote.py": "a model at an address that a person names",
    "serving/problems.py": "the names of HTTP's statuses",
    "serving/server.py": "listens where a person says",
    "studio/guards.py": "takes addresses apart",
    "studio/notebook.py": "puts an address together",
    "studio/server.py": "listens on this machine, and tells its own address",
}
STARTS = {"studio/jobs.py": "condgen itself, in processes of their own"}  # modules that may start programs
CALLS = {"eval", "exec", "compile", "__import__"}
UNSAFE = {"torch.load", "torch.save", "os.system", "os.popen", "joblib.load", "numpy.load"}


def found(tree: ast.AST) -> Iterator[str]:
    """Names of modules that are imported, and of calls that could run anything."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Call) and all(keyword.arg != "weights_only" for keyword in node.keywords):
            yield from _called(node.func)  # with `weights_only`, nothing of what is read is run


def _called(function: ast.expr) -> Iterator[str]:
    if isinstance(function, ast.Name) and function.id in CALLS:
        yield f"{function.id}()"
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        name = f"{'numpy' if function.value.id == 'np' else function.value.id}.{function.attr}"
        if name in UNSAFE:
            yield f"{name}()"


def complaints(path: str, text: str) -> set[str]:
    names = set(found(ast.parse(text)))
    wrong = {name for name in names if name in FORBIDDEN or name.endswith("()")}
    wrong -= {"subprocess"} if path in STARTS else set()
    return wrong | (set() if path in ASKED else names & NETWORK)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_runs_nothing_and_asks_nobody(path: Path) -> None:
    assert complaints(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) == set()


def test_these_checks_can_fail() -> None:
    text = "import pickle, socket\ndef f():\n    from urllib.request import urlopen\n    eval('1'); torch.load('x')\n"
    assert complaints("runs/run.py", text) == {"pickle", "socket", "urllib", "eval()", "torch.load()"}
    assert complaints("files.py", "from socket import gethostname") == set()
    assert complaints("studio/jobs.py", "import subprocess, pickle") == {"pickle"}
