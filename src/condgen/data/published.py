"""Published datasets by name, downloaded from their usual home or read from a local copy."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from condgen.data.builtin import namesake
from condgen.data.readers.binary import cifar_files, cifar_table, idx_table
from condgen.data.readers.faces import is_celeba, read_celeba
from condgen.data.readers.hub import read_hub
from condgen.data.readers.table import Parts
from condgen.data.storage.downloads import Remote, datasets_folder, fetch
from condgen.errors import DataError, RequestError

CELEBA = "hf:flwrlabs/celeba"


@dataclass(frozen=True)
class Published:
    """A dataset published by others. `read` takes the folder of a local copy, or None to download it.

    licence: as its publisher states it, in words.
    """

    description: str
    read: Callable[[Path | None], Parts]
    licence: str


@dataclass(frozen=True)
class Idx:
    """A dataset in MNIST's four IDX files: their address, the attribute's name and its values."""

    name: str
    home: str
    checks: tuple[tuple[str, str, int], ...]  # file, SHA-256, bytes: images and labels for training, then for testing
    attribute: str
    values: tuple[str, ...]

    def __call__(self, folder: Path | None) -> Parts:
        """The training and test part. Raises DataError that gives the files' address and where they belong."""
        paths = [self._file(Remote(self.home + file, digest, size), folder) for file, digest, size in self.checks]
        images, labels, test_images, test_labels = paths
        return Parts(
            idx_table(images, labels, self.attribute, self.values),
            idx_table(test_images, test_labels, self.attribute, self.values),
        )

    def _file(self, remote: Remote, folder: Path | None) -> Path:
        if folder is None:
            return _fetched(self.name, remote)
        _must_be_a_folder(folder)
        plain = remote.name.removesuffix(".gz")
        names = (remote.name, plain, plain.replace("-idx", ".idx"))  # the last is the name of files unpacked by Kaggle
        for name in names:
            for found in sorted(folder.rglob(name)):
                if found.is_file():
                    return found
        raise DataError(f"{folder} holds no {remote.name}, unpacked or not. It is published at {remote.url}.")


def cifar10(folder: Path | None) -> Parts:
    """CIFAR-10's binary version. Raises DataError that gives its address and where it belongs."""
    if folder is None:
        folder = _fetched("cifar10", CIFAR10).parent
    _must_be_a_folder(folder)
    try:
        train = cifar_files(folder, [f"data_batch_{k}.bin" for k in range(1, 6)])
        test = cifar_files(folder, ["test_batch.bin"])
    except DataError as error:
        raise DataError(f"{error} The binary version of CIFAR-10 is published at {CIFAR10.url}.") from None
    return Parts(cifar_table(train, "object", CIFAR10_CLASSES), cifar_table(test, "object", CIFAR10_CLASSES))


def celeba(folder: Path | None) -> Parts:
    """CelebA from a local copy, or from the Hub. Raises DataError with the way to get it."""
    kept = datasets_folder() / "celeba"
    if folder is None and kept.is_dir() and is_celeba(kept):
        folder = kept
    if folder is not None:
        _must_be_a_folder(folder)
        if not is_celeba(folder):
            raise DataError(f"{folder} holds no list_attr_celeba.txt; CelebA's copy has it beside img_align_celeba.")
        return read_celeba(folder)
    try:
        return read_hub(CELEBA)
    except (DataError, RequestError) as error:
        raise DataError(
            f"{error} CelebA is also published at https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html: put "
            f"list_attr_celeba.txt, list_eval_partition.txt and img_align_celeba.zip (or what it holds) into {kept}, "
            "or name their folder (`data_dir`)."
        ) from None


def read_published(name: str, folder: Path | None) -> Parts:
    """A published dataset, from a local copy or downloaded. Raises DataError as its reader does."""
    here = namesake(name) if folder is None else []
    try:
        parts = PUBLISHED[name].read(folder)
    except DataError as error:
        raise DataError(" ".join([str(error), *here])) from None
    parts.train.notes.extend(here)
    return parts


def _fetched(name: str, remote: Remote) -> Path:
    folder = datasets_folder() / name
    try:
        return fetch(remote, folder)
    except DataError as error:
        raise DataError(
            f"{error} Where it can be downloaded, get it and the dataset's other files, and put them into {folder}, or "
            "name their folder (`data_dir`)."
        ) from None


def _must_be_a_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise RequestError(f"The local copy (`data_dir`) must be a folder; {folder} is none.")


CIFAR10 = Remote(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    170_052_171,
)
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

MNIST = Idx(
    "mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    (
        (
            "train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            9_912_422,
        ),
        ("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881),
        ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877),
        ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542),
    ),
    "digit",
    tuple("0123456789"),
)

FASHION = Idx(
    "fashion_mnist",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    (
        (
            "train-images-idx3-ubyte.gz",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            26_421_880,
        ),
        ("train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29_515),
        ("t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4_422_102),
        ("t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5_148),
    ),
    "article",
    ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)

PUBLISHED = {
    "mnist": Published(
        "70,000 handwritten digits, 28×28 grey (12 MB); attribute digit",
        MNIST,
        "CC BY-SA 3.0 (Y. LeCun and C. Cortes)",
    ),
    "fashion_mnist": Published(
        "70,000 articles of clothing, 28×28 grey (31 MB); attribute article", FASHION, "MIT (Zalando SE)"
    ),
    "cifar10": Published(
        "60,000 photographs, 32×32 colour (170 MB); attribute object",
        cifar10,
        "none stated by its publisher (A. Krizhevsky, University of Toronto)",
    ),
    "celeba": Published(
        f"202,599 faces, 40 attributes; from {CELEBA} (1.4 GB) or a local copy",
        celeba,
        "for non-commercial research only (Multimedia Laboratory, The Chinese University of Hong Kong)",
    ),
}
