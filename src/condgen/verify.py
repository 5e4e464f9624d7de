"""Everything that condgen wrote in one place, compared with the digests that it wrote with it."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from condgen import sealed
from condgen.data import Splits, load
from condgen.data.storage.mapped import Mapped
from condgen.data.storage.prepare import verify as verify_prepared
from condgen.errors import CondgenError, RunError
from condgen.evaluation.report import FILE as REPORT
from condgen.evaluation.report import Report
from condgen.lazy import callable_as
from condgen.progress import SILENT, Progress
from condgen.runs.addresses import OPENERS, open_generator
from condgen.runs.run import Run
from condgen.training import checkpoint

Check = Callable[[], str]


def verify(what: Run | str | Path, progress: Progress = SILENT) -> list[str]:
    """Check a run, a file of weights, or data: every tensor, header and prepared pixel, every image that decodes.

    what: a run, its folder, a file of weights, or the address of data.

    Returns one line for each thing that is sound. Raises RunError that names all that are damaged.
    """
    sound, damaged = [], []
    for check in _checks(what.path if isinstance(what, Run) else what, progress):
        try:
            sound.append(check())
        except (CondgenError, OSError) as error:
            damaged.append(str(error))
    if damaged:
        raise RunError(" ".join(damaged))
    return sound


def _checks(what: str | Path, progress: Progress) -> Iterator[Check]:
    path = Path(what)
    if path.is_file() and path.suffix == ".safetensors":
        yield lambda: _sealed(path)
    elif path.is_file() and path.suffix in OPENERS:
        yield lambda: _exported(path)
    elif any(path.glob("checkpoint*.safetensors")):
        checkpoint.must_exist(path / checkpoint.FILE)
        for file in sorted(path.glob("*.safetensors")):
            yield partial(_sealed, file)
        if (path / REPORT).exists():
            yield lambda: _report(path / REPORT)
    else:
        yield lambda: _data(str(what), progress)


def _sealed(file: Path) -> str:
    try:
        texts, tensors = sealed.read(file)
    except sealed.DamagedError as error:
        raise RunError(f"{file} is damaged: {error}.") from None
    except OSError as error:
        raise RunError(f"{file} cannot be read: {error.strerror or error}.") from None
    if not sealed.has_digests(file):
        return f"{file}: {len(tensors)} tensors. It was written without digests, so only its structure was checked."
    return f"{file}: {len(tensors)} tensors and {len(texts)} texts are as they were written."


def _exported(file: Path) -> str:
    open_generator(file)  # which checks its digest
    return f"{file}: an exported model, as it was written."


def _report(file: Path) -> str:
    Report.load(file)
    return f"{file}: a report."


def _data(address: str, progress: Progress) -> str:
    data = load(address, broken=0.0, progress=progress)
    store = _store(data)
    if store is None:
        return f"{address}: all {_count(data):,} examples can be read."
    return f"{address}: {verify_prepared(store):,} prepared images are as they were written, in {store}."


def _store(data: Splits) -> Path | None:
    """The folder of the prepared images; None for data that is read anew each time."""
    images = data.train.observations
    return images.store.path.parent if isinstance(images, Mapped) else None


def _count(data: Splits) -> int:
    return len(data.train) + len(data.validation) + len(data.test)


callable_as(__name__, verify)
