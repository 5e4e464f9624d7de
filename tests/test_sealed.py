"""Whatever bit of a sealed file changes, opening it says so."""

import random
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from condgen import sealed
from condgen.sealed import DamagedError

TENSORS = {
    "weights/größe": torch.randn(3, 5, generator=torch.Generator().manual_seed(0)),
    "count": torch.tensor(7),
    "half": torch.arange(4, dtype=torch.bfloat16),
    "flags": torch.tensor([True, False]),
    "none": torch.zeros(0, 3),
}
TEXTS = {"condgen": '{"recipe": "Gr\\u00fc\u00dfe"}', "other": ""}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    sealed.write(tmp_path / "a.safetensors", TENSORS, TEXTS)
    return tmp_path / "a.safetensors"


def test_everything_comes_back_and_others_read_it_too(path: Path) -> None:
    texts, tensors = sealed.read(path)
    assert texts == TEXTS
    assert tensors.keys() == load_file(path).keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert tensors[name].equal(tensor)


def test_every_bit_counts(path: Path) -> None:
    """All of the length and the tensors, and many of the header, whose bits number some thousand."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = random.Random(0).sample(range(64, 8 * start), 400)
    for bit in [*range(64), *header, *range(8 * start, 8 * len(content))]:
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(DamagedError):
            sealed.read(path)


def test_the_part_that_is_damaged_is_named(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"recipe", b"recipy"))
    with pytest.raises(DamagedError, match="its header, condgen, is not as it was written"):
        sealed.read(path)
    path.write_bytes(content[:-1] + b"\xff")
    with pytest.raises(DamagedError, match=r"a tensor, \w.*, is not as it was written"):
        sealed.read(path)
    path.write_bytes(content.replace(b"digests", b"digestr"))
    with pytest.raises(DamagedError, match="digests have lost their name"):
        sealed.read(path)


def test_the_same_bytes_of_another_kind_or_shape_are_not_the_same(tmp_path: Path) -> None:
    """What one bit of the header would make of them is told by their digest alone."""
    written = {"a": torch.zeros(2, 8, dtype=torch.int32)}
    sealed.write(tmp_path / "a", written, {})
    with safe_open(tmp_path / "a", "pt") as file:
        seal = file.metadata()
    for other in (torch.zeros(2, 8), torch.zeros(4, 4, dtype=torch.int32)):
        save_file({"a": other}, tmp_path / "b", metadata=seal)
        with pytest.raises(DamagedError, match="a tensor, a,"):
            sealed.read(tmp_path / "b")


@pytest.mark.parametrize("lost", ["a tensor", "a text"])
def test_a_part_that_is_gone_is_named(tmp_path: Path, lost: str) -> None:
    sealed.write(tmp_path / "a", {"a": torch.zeros(2), "b": torch.ones(2)}, {"c": "d", "e": "f"})
    with safe_open(tmp_path / "a", "pt") as file:
        texts, tensors = dict(file.metadata()), {name: file.get_tensor(name) for name in ("a", "b")}
    del (tensors if lost == "a tensor" else texts)["b" if lost == "a tensor" else "e"]
    save_file(tensors, tmp_path / "b", metadata=texts)
    with pytest.raises(DamagedError, match="a tensor, b, is not" if lost == "a tensor" else "its header, e, is not"):
        sealed.read(tmp_path / "b")


@pytest.mark.parametrize("seal", ["nonsense", "7", "[" * 100_000], ids=["text", "number", "deep"])
def test_digests_that_are_none_are_damage(tmp_path: Path, seal: str) -> None:
    save_file(TENSORS, tmp_path / "a", metadata={sealed.DIGESTS: seal})
    with pytest.raises(DamagedError, match="digests cannot be read"):
        sealed.read(tmp_path / "a")


def test_a_file_without_digests_is_taken_as_it_is(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "a", metadata={"format": "pt", "by": "another"})
    texts, tensors = sealed.read(tmp_path / "a")
    assert texts == {"format": "pt", "by": "another"}
    assert tensors.keys() == TENSORS.keys()


def test_a_file_that_is_replaced_while_it_is_read_is_read_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the header of the old file would be read with the tensors of the new one."""
    new = {name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in TENSORS.items()}
    sealed.write(path.with_name("new"), new, TEXTS)
    opened: list[str] = []

    def replaced(name: Path, framework: str) -> object:
        file = safe_open(name, framework)
        if not opened:
            path.with_name("new").replace(path)
        opened.append(str(name))
        return file

    monkeypatch.setattr("condgen.sealed.safe_open", replaced)
    _, tensors = sealed.read(path)
    assert len(opened) == 2
    assert tensors["weights/größe"].equal(new["weights/größe"])


def test_a_file_that_is_replaced_by_a_smaller_one_is_read_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch maps as many bytes of the new file as the old one had, and fails."""
    sealed.write(path.with_name("new"), TENSORS, {})
    opened: list[str] = []

    def replaced(name: Path, framework: str) -> object:
        opened.append(str(name))
        if len(opened) == 1:
            size = path.stat().st_size
            path.with_name("new").replace(path)
            torch.UntypedStorage.from_file(str(name), False, size)
        return safe_open(name, framework)

    monkeypatch.setattr("condgen.sealed.safe_open", replaced)
    assert sealed.read(path)[0] == {}
    assert len(opened) == 2


def test_a_file_that_is_replaced_is_not_called_damaged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header of the old file and the tensors of the new one do not belong together."""
    read, looks = sealed._read, []

    def mixed(name: Path) -> object:
        looks.append(name)
        if len(looks) == 1:
            sealed.write(path.with_name("new"), TENSORS, TEXTS | {"new": ""})
            path.with_name("new").replace(path)
            raise DamagedError("a mixture")
        return read(name)

    monkeypatch.setattr(sealed, "_read", mixed)
    assert "new" in sealed.read(path)[0]
    assert len(looks) == 2
