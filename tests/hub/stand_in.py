"""A stand-in of the Hugging Face Hub: the part of its HTTP interface by which repositories are filled and fetched.

Repositories are kept in memory, one version after the other. Large files arrive by Git LFS, as on the Hub.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_OnlyTheTestKnowsThisToken"
LARGE = (".safetensors", ".onnx", ".png")  # files that arrive by Git LFS


@dataclass
class Repository:
    """private: whether it is shown without a token. versions: files by their paths, by the name of their commit."""

    private: bool = False
    sdk: str | None = None
    versions: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"0" * 40: {}})

    @property
    def newest(self) -> str:
        return list(self.versions)[-1]

    def commit(self, files: dict[str, bytes], deleted: Iterable[str] = ()) -> str:
        sha = hashlib.sha1(str(len(self.versions)).encode()).hexdigest()
        kept = {path: content for path, content in self.versions[self.newest].items() if path not in {*deleted}}
        self.versions[sha] = {**kept, **files}
        return sha


class StandIn(ThreadingHTTPServer):
    """repositories: by kind and name. objects: large files by their SHA-256. asked: method and path of each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.closed = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: Any) -> None:
        """A client that went away is none of the tests' concern."""


class Answer(BaseHTTPRequestHandler):
    server: StandIn

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/").split("/")
        self.server.asked.append(f"{self.command} /{'/'.join(path)}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.closed:
            return self._refuse(503, "Service unavailable")
        match path:
            case ["api", "repos", "create"]:
                return self._create(json.loads(body))
            case ["api", "validate-yaml"]:
                return self._send({"errors": [], "warnings": []})
            case ["api", kind, owner, name, "preupload", _]:
                return self._writing(f"{kind}/{owner}/{name}", self._preupload, json.loads(body))
            case ["api", kind, owner, name, "commit", _]:
                return self._writing(f"{kind}/{owner}/{name}", self._commit, body)
            case ["api", kind, owner, name]:
                return self._reading(f"{kind}/{owner}/{name}", self._info)
            case ["api", kind, owner, name, "revision", version]:
                return self._reading(f"{kind}/{owner}/{name}", self._info, version)
            case ["api", kind, owner, name, "tree", version, *folder]:
                return self._reading(f"{kind}/{owner}/{name}", self._tree, version, "/".join(folder))
            case ["api", kind, owner, name, "paths-info", version]:
                asked = parse_qs(body.decode())["paths"]
                return self._reading(f"{kind}/{owner}/{name}", self._paths, version, asked)
            case [*place, "info", "lfs", "objects", "batch"]:
                return self._batch(place, json.loads(body))
            case ["objects", oid]:
                self.server.objects[oid] = body
                return self._send({})
            case [owner, name, "resolve", version, *file]:
                return self._reading(f"models/{owner}/{name}", self._file, version, "/".join(file))
            case ["spaces" | "datasets" as kind, owner, name, "resolve", version, *file]:
                return self._reading(f"{kind}/{owner}/{name}", self._file, version, "/".join(file))
        return self._refuse(404, f"the stand-in has no {self.path}")

    do_GET = do_POST = do_PUT = do_HEAD = _answer  # noqa: N815 (http.server's names)

    # ---- who may

    @property
    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _reading(self, key: str, answer: Any, *arguments: Any) -> None:
        repository = self.server.repositories.get(key)
        if repository is None or (repository.private and not self._known):
            return self._refuse(401, "Repository not found", "RepoNotFound")
        return answer(repository, *arguments)

    def _writing(self, key: str, answer: Any, *arguments: Any) -> None:
        if not self._known:
            return self._refuse(401, f"Invalid token {self.headers.get('Authorization')}")
        return self._reading(key, answer, *arguments)

    # ---- answers

    def _create(self, asked: dict[str, Any]) -> None:
        if not self._known:
            return self._refuse(401, f"Invalid token {self.headers.get('Authorization')}")
        kind, name = asked.get("type") or "model", f"{asked['organization']}/{asked['name']}"
        url = {"url": f"{self.server.address}/{'spaces/' * (kind == 'space')}{name}", "id": name}
        if f"{kind}s/{name}" in self.server.repositories:
            return self._send(url, 409)
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.server.repositories[f"{kind}s/{name}"] = Repository(private, asked.get("sdk"))
        return self._send(url)

    def _preupload(self, _: Repository, asked: dict[str, Any]) -> None:
        paths = [f["path"] for f in asked["files"]]
        modes = {path: "lfs" if path.endswith(LARGE) else "regular" for path in paths}
        self._send({"files": [{"path": p, "uploadMode": mode, "shouldIgnore": False} for p, mode in modes.items()]})

    def _batch(self, _: list[str], asked: dict[str, Any]) -> None:
        place = f"{self.server.address}/objects"
        objects = [o | {"actions": {"upload": {"href": f"{place}/{o['oid']}"}}} for o in asked["objects"]]
        self._send({"transfer": "basic", "objects": objects})

    def _commit(self, repository: Repository, body: bytes) -> None:
        files, deleted = {}, []
        for entry in map(json.loads, body.splitlines()):
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            if entry["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
            if entry["key"] == "deletedFile":
                deleted.append(value["path"])
        sha = repository.commit(files, deleted)
        _, _, kind, owner, name, *_ = self.path.split("/")
        place = f"{self.server.address}/{'spaces/' * (kind == 'spaces')}{owner}/{name}"
        self._send({"commitUrl": f"{place}/commit/{sha}", "commitOid": sha})

    def _info(self, repository: Repository, version: str = "main") -> None:
        sha = repository.newest if version == "main" else version
        if sha not in repository.versions:
            return self._refuse(404, f"Revision {version} not found", "RevisionNotFound")
        files = [{"rfilename": path} for path in repository.versions[sha]]
        return self._send({"id": "x/y", "sha": sha, "private": repository.private, "siblings": files})

    def _tree(self, repository: Repository, version: str, folder: str) -> None:
        entries = {path: entry for path, entry in _entries(_files(repository, version)).items() if _in(path, folder)}
        if "recursive=true" not in self.path.casefold():
            entries = {path: entry for path, entry in entries.items() if path.rpartition("/")[0] == folder}
        if folder and not entries:
            return self._refuse(404, f"{folder} not found", "EntryNotFound")
        return self._send([*entries.values()])

    def _paths(self, repository: Repository, version: str, asked: list[str]) -> None:
        entries = _entries(_files(repository, version))
        self._send([entries[path] for path in asked if path in entries])

    def _file(self, repository: Repository, version: str, path: str) -> None:
        sha = repository.newest if version == "main" else version
        content = repository.versions.get(sha, {}).get(path)
        if content is None:
            return self._refuse(404, "Entry not found", "EntryNotFound")
        told = {"X-Repo-Commit": sha, "ETag": f'"{_etag(content)}"'}
        if found := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or ""):
            return self._send(content[int(found[1]) : int(found[2]) + 1], 206, told)
        return self._send(content, headers=told)

    def _refuse(self, status: int, message: str, code: str = "") -> None:
        self._send({"error": message}, status, {"X-Error-Code": code, "X-Error-Message": message})

    def _send(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _files(repository: Repository, version: str) -> dict[str, bytes]:
    return repository.versions[repository.newest if version == "main" else version]


def _entries(files: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """All files and folders, as the Hub lists them, by their paths."""
    folders = {path.rsplit("/", k)[0] for path in files for k in range(1, path.count("/") + 1)}
    return {
        **{path: {"type": "file", "path": path, "size": len(c), "oid": _etag(c)} for path, c in files.items()},
        **{path: {"type": "directory", "path": path, "size": 0, "oid": _etag(path.encode())} for path in folders},
    }


def _in(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@contextmanager
def running() -> Iterator[StandIn]:
    """A stand-in on a free port of this machine."""
    server = StandIn()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
