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
PURE = {"urllib.parse"}  # modules in these packages that only take texts apart and put them together
ASKED = {  # modules that may know of the network, and what for
    "data/storage/downloads.py": "published data sets, named by a person",
    "runs/remote.py": "a model at an address that a person names",
    "serving/problems.py": "the names of HTTP's statuses",
    "serving/server.py": "listens where a person says",
    "studio/server.py": "listens on this machine, and tells its own address",
}
STARTS = {  # modules that may start programs
    "bulk/processes.py": "workers of bulk generation, which are condgen itself",
    "studio/jobs.py": "condgen itself, in processes of their own",
}
PICKLES = {"bulk/pipe.py": "jobs of any class, between a process and the workers that it started itself"}
CALLS = {"eval", "exec", "compile", "__import__"}
UNSAFE = {"torch.load", "torch.save", "os.system", "os.popen", "joblib.load", "numpy.load"}


def found(tree: ast.AST) -> Iterator[str]:
    """Names of modules that are imported, and of calls that could run anything."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level and node.module not in PURE:
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
    wrong -= {"subprocess"} if path in STARTS else {"pickle"} if path in PICKLES else set()
    return wrong | (set() if path in ASKED else names & NETWORK)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_runs_nothing_and_asks_nobody(path: Path) -> None:
    assert complaints(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) == set()


def test_these_checks_can_fail() -> None:
    text = "import pickle, socket\ndef f():\n    from urllib.request import urlopen\n    eval('1'); torch.load('x')\n"
    assert complaints("runs/run.py", text) == {"pickle", "socket", "urllib", "eval()", "torch.load()"}
    assert complaints("runs/run.py", "from urllib.parse import quote") == set()
    assert complaints("runs/run.py", "import urllib.parse") == {"urllib"}
    assert complaints("studio/server.py", "import socket") == set()
    assert complaints("studio/jobs.py", "import subprocess, pickle") == {"pickle"}
    assert complaints("bulk/pipe.py", "import subprocess, pickle") == {"subprocess"}


@pytest.mark.parametrize("path", [*ASKED, *STARTS, *PICKLES])
def test_every_exception_is_needed(path: str) -> None:
    names = set(found(ast.parse((ROOT / path).read_text(encoding="utf-8"))))
    assert names & (NETWORK if path in ASKED else FORBIDDEN)


def test_the_package_is_typed() -> None:
    assert (ROOT / "py.typed").is_file()
