"""Runs on the Hugging Face Hub: fetched by their name, and pushed. No other file talks to the Hub about runs.

A person asks for each request by an address `hf:owner/name` or by `push`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from condgen.errors import CondgenError, RequestError, RunError, shorten
from condgen.extras import explained
from condgen.stores.address import is_address as is_url

PREFIX = "hf:"
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"  # files of a model, by the Hub's conventions
NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
AUTOENCODER = "diffusion_pytorch_model.safetensors"  # by the conventions of diffusers
FILE = re.compile(rf"{PREFIX}(?P<space>spaces/)?(?P<name>{NAME.pattern})(?:@(?P<revision>[^/]+))?/(?P<file>.+)")
TOKENS = re.compile(r"hf_\w+")
HIDDEN = "(a token)"

Kind = Literal["model", "space"]


def is_address(path: str | Path) -> bool:
    """Whether a path is the address of a run on the Hub, `hf:owner/name`, or of a file there. hf://… is a store's."""
    return str(path).startswith(PREFIX) and not is_url(path)


def fetched(address: str, revision: str | None = None, token: str | None = None) -> Path:
    """The local folder of a run on the Hub, in the Hub's own cache: its weights and its config.json.

    address: `owner/name` or `hf:owner/name`, with `@revision` for a branch, a tag or a commit.

    Raises RequestError for what is no such name, RunError if it cannot be fetched, and MissingExtraError without the
    package huggingface_hub.
    """
    found = _files(address, [WEIGHTS, CONFIG], revision, token)
    if not (found / WEIGHTS).is_file():
        raise RunError(f"{address.removeprefix(PREFIX)} has no {WEIGHTS}, so it is no run that condgen pushed.")
    return found


def fetched_codec(address: str) -> Path:
    """The local folder of a run on the Hub, or of an autoencoder of diffusers, also that of a whole pipeline.

    Raises errors as `fetched` does.
    """
    theirs = [AUTOENCODER, f"vae/{CONFIG}", f"vae/{AUTOENCODER}"]
    return _files(address, [WEIGHTS, CONFIG, *theirs])


def _files(address: str, files: list[str], revision: str | None = None, token: str | None = None) -> Path:
    name, _, at = address.removeprefix(PREFIX).partition("@")
    must_be_a_name(name)
    with _apologising(f"The run {name} cannot be fetched", token):
        from huggingface_hub import HfApi

        hub = HfApi(token=token)
        return Path(hub.snapshot_download(name, revision=revision or at or None, allow_patterns=files))


def fetched_file(address: str) -> Path:
    """The local copy of one file on the Hub, in the Hub's own cache.

    address: `hf:owner/name/FILE`, or `hf:spaces/owner/name/FILE` of a Space, with `@revision` after the name.

    Raises errors as `fetched` does.
    """
    found = FILE.fullmatch(address)
    if not found:
        raise RequestError(
            "A file on the Hub is named hf:OWNER/NAME/FILE, or hf:spaces/OWNER/NAME/FILE, not "
            f"'{shorten(address, 200)}'."
        )
    with _apologising(f"{address} cannot be fetched", None):
        from huggingface_hub import HfApi

        kind = "space" if found["space"] else "model"
        return Path(HfApi().hf_hub_download(found["name"], found["file"], repo_type=kind, revision=found["revision"]))


def pushed(
    folder: Path, name: str, kind: Kind = "model", private: bool = False, token: str | None = None, message: str = ""
) -> str:
    """Upload a folder as the newest version of a repository, which is made if needed. Returns its address.

    token: by default the one that `hf auth login` keeps, or the environment variable HF_TOKEN.

    Raises errors as `fetched` does.
    """
    must_be_a_name(name)
    with _apologising(f"{name} cannot be written", token):
        from huggingface_hub import HfApi

        hub = HfApi(token=token)
        sdk = "docker" if kind == "space" else None
        made = hub.create_repo(name, repo_type=kind, private=private or None, exist_ok=True, space_sdk=sdk)
        hub.upload_folder(
            repo_id=name, repo_type=kind, folder_path=folder, commit_message=message or "Pushed by condgen"
        )
        return str(made)


def must_be_a_name(name: str) -> None:
    """Raise RequestError for text that is no name on the Hub."""
    if not NAME.fullmatch(name):
        raise RequestError(f"A run on the Hub is named OWNER/NAME, as in somebody/digits, not '{shorten(name, 200)}'.")


@contextmanager
def _apologising(what: str, token: str | None) -> Iterator[None]:
    """Turn every error of the library, from the network to a refusal, into one paragraph that names no token."""
    try:
        with explained():
            yield
    except CondgenError:
        raise
    except Exception as error:
        told = TOKENS.sub(HIDDEN, str(error).replace(token, HIDDEN) if token else str(error))
        raise RunError(
            f"{what}: {shorten(told, 300)} Check the name, that the Hub can be reached from here, and that you may do "
            "this (`hf auth login`, or a token in HF_TOKEN)."
        ) from None
