"""The manifest: what a folder of shards was asked for, so that nothing else is ever mixed in."""

import json
from collections.abc import Mapping
from typing import Any

from condgen.bulk.job import Job
from condgen.errors import RequestError, RunError
from condgen.stores.folder import Folder, write
from condgen.versions import versions

FILE = "manifest.json"
FORMAT = 1
NAMES = {  # of what differs, in messages
    "model": "the model",
    "requests": "the requests",
    "n": "the number of samples",
    "seed": "the seed",
    "shard": "the size of a shard",
    "format": "the kind of files",
    "sampling": "the settings of sampling",
    "keep_if": "the reason to keep samples",
    "measured": "the measurement",
    "versions": "the versions",
}


def manifest(job: Job) -> dict[str, Any]:
    """Everything that the bytes of a job's shards depend on, as JSON. Workers and engines are not among it."""
    plan = job.plan
    told = {
        "manifest": FORMAT,
        "model": {"name": job.origin.model, "fingerprint": job.fingerprint},
        "requests": [request.text for request in job.requests],
        "n": plan.n,
        "seed": plan.seed,
        "shard": plan.size,
        "shards": plan.shards,
        "format": job.format,
        "sampling": job.sampling.dump(),
        "keep_if": job.gate and {"obeyed": job.gate.identity},
        "measured": job.gauge and job.gauge.identity,
        "versions": versions(),
    }
    return json.loads(json.dumps(told))


def begin(folder: Folder, job: Job) -> None:
    """Write the manifest into an empty folder, or check that the one there is the same.

    Raises RequestError for a folder that holds something else.
    """
    wanted, there = manifest(job), folder.files()
    if FILE in there:
        _must_be_the_same(folder, wanted)
    elif there:
        raise RequestError(
            f"The folder {folder.address} is not empty; nothing was overwritten. Choose a new one for the samples."
        )
    else:
        write(folder, FILE, (json.dumps(wanted, indent=1, ensure_ascii=False) + "\n").encode())


def _must_be_the_same(folder: Folder, wanted: Mapping[str, Any]) -> None:
    try:
        there = dict(json.loads(folder.read(FILE)))
    except (ValueError, TypeError, RecursionError):
        raise RunError(f"{folder.address}/{FILE} is damaged. Choose another folder for the samples (`out`).") from None
    different = [text for name, text in NAMES.items() if not _alike(name, there.get(name), wanted[name])]
    if there.get("manifest") != FORMAT or different:
        raise RequestError(
            f"{folder.address} holds samples of another request, which differs in "
            f"{', '.join(different) or 'its form'}. Ask for the same again to finish it, or choose another folder "
            "(`out`)."
        )


def _alike(name: str, there: Any, wanted: Any) -> bool:
    """Whether a part of two manifests is the same. Versions are compared where both processes use the same packages."""
    if name == "versions" and isinstance(there, dict):
        return all(there[package] == wanted[package] for package in there.keys() & wanted.keys())
    same: bool = there == wanted
    return same
