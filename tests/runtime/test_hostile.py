"""Files that somebody damaged or made up are refused in a sentence, and none of their content runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from condgen.errors import RequestError, RunError
from condgen.runtime.generator import OnnxGenerator
from condgen.runtime.graph import Graph, fields, varint
from condgen.runtime.header import HEADER, JOINT, sealed
from tests.export.untrained import IMAGE, VECTOR, untrained


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained("cgan", VECTOR).export("onnx", tmp_path_factory.mktemp("whole") / "model.onnx")


def changed(file: Path, folder: Path, **texts: str) -> Path:
    """The same model with other metadata, and a digest that fits."""
    model = onnx.load(file)
    known = {entry.key: entry.value for entry in model.metadata_props if entry.key != "condgen.digest"}
    onnx.helper.set_model_props(model, {**known, **texts})
    path = folder / "changed.onnx"
    path.write_bytes(sealed(model.SerializeToString()))
    return path


def header(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Graph(file.read_bytes()).metadata[HEADER])
    return content


@pytest.mark.parametrize("harm", ["bit", "cut", "empty", "begin"])
def test_damage_is_found(file: Path, tmp_path: Path, harm: str) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= harm == "bit"
    path = tmp_path / "model.onnx"
    path.write_bytes({"cut": content[:-1_000], "empty": b"", "begin": content[1_000:]}.get(harm, bytes(content)))
    with pytest.raises(RunError, match=r"is damaged|is not a whole model"):
        OnnxGenerator.open(path)


HARMS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "format": (lambda h: h.update(format=99), r"newer condgen \(format 99\)"),
    "shape": (lambda h: h.update(shape=[2**40]), "cannot read"),
    "kind": (lambda h: h.update(kind="pickle"), r"cannot read.*kind"),
    "no integration": (lambda h: h.update(kind="flow"), "lacks condition, velocity"),
    "draws": (lambda h: h.update(draws=[{"kind": "normal", "shape": [-3]}]), "cannot read"),
    "other draws": (lambda h: h["draws"][0].update(shape=[2**20, 2**20]), r"'sample\.noise\.0' has shape"),
    "more draws": (lambda h: h["draws"].append(h["draws"][0]), r"'sample\.noise\.1' has shape None"),
    "schema": (lambda h: h.update(schema={"attributes": [{"kind": "flag", "name": "a=b"}]}), "cannot read"),
    "other attributes": (lambda h: h.update(schema={"attributes": []}), "cannot read"),
    "coordinates": (lambda h: h.update(data={"coordinates": {"names": ["a"]}}), "cannot read"),
    "no functions": (lambda h: h.update(functions={}), "lacks sample"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_header_that_makes_no_sense_is_refused(file: Path, tmp_path: Path, harm: str) -> None:
    content, (change, said) = header(file), HARMS[harm]
    change(content)
    with pytest.raises(RunError, match=said):
        OnnxGenerator.open(changed(file, tmp_path, **{HEADER: json.dumps(content)}))


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({HEADER: "[1, 2"}, "it is not JSON"),
        ({HEADER: "[" * 100_000}, "it is not JSON"),
        ({HEADER: "[]"}, "cannot read"),
        ({JOINT: "!!!"}, "distribution of labels cannot be read"),
        ({JOINT: "AAAA"}, "distribution of labels cannot be read"),
    ],
)
def test_texts_that_make_no_sense_are_refused(file: Path, tmp_path: Path, texts: dict[str, str], said: str) -> None:
    with pytest.raises(RunError, match=said):
        OnnxGenerator.open(changed(file, tmp_path, **texts))


def test_a_network_of_other_parts_is_refused_when_it_is_asked(file: Path, tmp_path: Path) -> None:
    content = header(file)
    content["functions"]["sample"]["nodes"] = [0, 10**9]
    model = OnnxGenerator.open(changed(file, tmp_path, **{HEADER: json.dumps(content)}))
    with pytest.raises(RunError, match="cannot be loaded by ONNX Runtime"):
        model.sample(n=1)


def test_noise_beyond_the_memory_is_refused_before_it_is_drawn(file: Path, tmp_path: Path) -> None:
    model, content = onnx.load(file), header(file)
    (noise,) = (each for each in model.graph.input if each.name == "sample.noise.0")
    huge = onnx.helper.make_tensor_value_info(noise.name, onnx.TensorProto.FLOAT, ["batch", 2**20, 2**20])
    noise.CopyFrom(huge)
    onnx.save(model, tmp_path / "huge.onnx")
    content["draws"][0]["shape"] = [2**20, 2**20]
    opened = OnnxGenerator.open(changed(tmp_path / "huge.onnx", tmp_path, **{HEADER: json.dumps(content)}))
    with pytest.raises(RequestError, match=r"The noise of 3 samples would take 13\.2 TB.*Ask for fewer"):
        opened.sample(n=3)


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained("flow", IMAGE, steps=1).export("onnx", tmp_path_factory.mktemp("flow") / "model.onnx")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": [1, 16]}, "cannot read"),
        ({"shape": [1, 16, 17]}, r"'observed\.result' has shape \(1, 16, 16\) in the network, and \(1, 16, 17\)"),
        ({"start": [2**20, 2**20]}, r"'velocity\.state' has shape \(1, 16, 16\) in the network"),
    ],
)
def test_shapes_of_the_header_are_those_of_the_network(
    flow: Path, tmp_path: Path, change: dict[str, list[int]], said: str
) -> None:
    content = header(flow)
    content["shape"] = change.get("shape", content["shape"])
    content["integration"]["start"]["shape"] = change.get("start", content["integration"]["start"]["shape"])
    with pytest.raises(RunError, match=said):
        OnnxGenerator.open(changed(flow, tmp_path, **{HEADER: json.dumps(content)}))


def test_a_model_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], []))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(RunError, match="its digest is missing"):
        OnnxGenerator.open(path)
    path.write_bytes(sealed(model.SerializeToString()))
    with pytest.raises(RunError, match="was not exported by condgen"):
        OnnxGenerator.open(path)
    path.write_bytes(sealed(b"\xff" * 64))
    with pytest.raises(RunError, match="is no ONNX model"):
        OnnxGenerator.open(path)
    with pytest.raises(RunError, match="cannot be read"):
        OnnxGenerator.open(tmp_path / "none.onnx")


def test_the_digest_is_metadata_to_every_reader(file: Path) -> None:
    entries = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert entries["condgen.digest"] == OnnxGenerator.open(file).fingerprint
    assert {HEADER, JOINT} < entries.keys()


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**35 + 5])
def test_numbers_are_written_as_they_are_read(number: int) -> None:
    (field,) = fields(memoryview(varint(3 << 3) + varint(number)))
    assert field.number == 3
    assert bytes(field.whole[1:]) == varint(number)


@pytest.mark.parametrize("message", [b"\x80", b"\x12\x05ab", b"\x0b", b"\x09\x01", b"\xff" * 20])
def test_what_is_no_message_raises(message: bytes) -> None:
    with pytest.raises(ValueError, match="byte"):
        list(fields(memoryview(message)))
