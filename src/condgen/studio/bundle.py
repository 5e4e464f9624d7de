"""Samples as a data set in a ZIP."""

import io
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from condgen.runs.samples import Samples
from condgen.runs.writer import name


def zipped(samples: Samples, pngs: Sequence[bytes] = ()) -> bytes:
    """A ZIP of the folder that `condgen sample` would write.

    pngs: the images as files, which stay as they are: they carry their origin. None for vectors.

    The same samples give the same bytes.
    """
    with TemporaryDirectory() as place:
        folder = samples.save(Path(place) / "samples")
        for k, content in enumerate(pngs):
            (folder / name(k)).write_bytes(content)
        return _packed(sorted(folder.iterdir()))


def _packed(files: Sequence[Path]) -> bytes:
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        for path in files:
            method = ZIP_STORED if path.suffix == ".png" else ZIP_DEFLATED
            archive.writestr(ZipInfo(path.name), path.read_bytes(), method)  # of 1980, so that the bytes are the same
    return file.getvalue()
