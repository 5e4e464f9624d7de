"""ONNX files read as protocol buffers: their metadata, and one function of their graph as a model of its own.

ONNX Runtime evaluates a whole graph, whatever output is asked for. So each function becomes a network of its own, which
is loaded when it is first called. A message is a sequence of fields, which can be left out without reading the others
(https://protobuf.dev/programming-guides/encoding). Numbers of fields are those of onnx.proto3.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from condgen.runtime.header import Function

GRAPH, METADATA = 7, 14  # of a ModelProto
NODE, INITIALIZER, INPUT, OUTPUT, KNOWN_SHAPE = 1, 5, 11, 12, 13  # of a GraphProto
KEY, VALUE = 1, 2  # of an entry of metadata
NAME = 1  # of an input or output
TO_SHAPE = (2, 1, 2)  # from an input or output to its TensorShapeProto: its type, of a tensor, and that one's shape
SIDE, LENGTH_OF_SIDE = 1, 1  # of a shape, and of a side
VARINT, FIXED_64, LENGTH, FIXED_32 = 0, 1, 2, 5  # types of fields


class Field(NamedTuple):
    """A field of a message: its number, all of its bytes, and those of its content if it has a length."""

    number: int
    whole: memoryview
    content: memoryview


class Graph:
    """The content of an ONNX file. Raises ValueError if it is no message."""

    def __init__(self, content: bytes):
        model = list(fields(memoryview(content)))
        entries = ({f.number: _text(f) for f in fields(each.content)} for each in model if each.number == METADATA)
        self.metadata = {entry.get(KEY, ""): entry.get(VALUE, "") for entry in entries}
        self._others = [f.whole for f in model if f.number not in (GRAPH, METADATA)]
        self._fields = [f for each in model if each.number == GRAPH for f in fields(each.content)]

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of an input or output without the batch's dimension. Sides that stay open are 0.

        None if there is none of this name. Raises ValueError if it is no message.
        """
        ends = (field for field in self._fields if field.number in (INPUT, OUTPUT))
        return next((_shape(field.content) for field in ends if _name(field) == name), None)

    def part(self, function: Function) -> bytes:
        """A model that computes one function."""
        keeps: dict[int, Callable[[int, Field], bool]] = {
            NODE: lambda k, _: k in nodes,
            INITIALIZER: lambda k, _: k in initializers,
            INPUT: lambda _, f: _name(f) in function.inputs,
            OUTPUT: lambda _, f: _name(f) in function.outputs,
            KNOWN_SHAPE: lambda *_: False,
        }
        nodes, initializers = set(function.nodes), set(function.initializers)
        count = dict.fromkeys(keeps, 0)
        kept = []
        for each in self._fields:
            if each.number not in keeps or keeps[each.number](count[each.number], each):
                kept.append(each.whole)
            count[each.number] = count.get(each.number, 0) + 1
        size = sum(map(len, kept))
        return b"".join([*self._others, varint(GRAPH << 3 | LENGTH), varint(size), *kept])


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message, in order. Raises ValueError if it is no message."""
    at = 0
    while at < len(message):
        start = at
        key, at = _varint(message, at)
        begin, at = _content(message, at, key & 7)
        yield Field(key >> 3, message[start:at], message[begin:at])


def varint(number: int) -> bytes:
    """A number in groups of seven bits, the lowest first."""
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])


def _content(message: memoryview, at: int, kind: int) -> tuple[int, int]:
    """The begin and the end of a field's content."""
    if kind == VARINT:
        return at, _varint(message, at)[1]
    size, at = _varint(message, at) if kind == LENGTH else ({FIXED_64: 8, FIXED_32: 4}.get(kind, -1), at)
    if not 0 <= size <= len(message) - at:
        raise ValueError(f"the field that begins at byte {at} ends nowhere")
    return at, at + size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number at a place, and the next place."""
    number = 0
    for k, byte in enumerate(message[at : at + 10]):
        number |= (byte & 127) << 7 * k
        if byte < 128:
            return number, at + k + 1
    raise ValueError(f"there is no number at byte {at}")


def _name(field: Field) -> str:
    return next((_text(f) for f in fields(field.content) if f.number == NAME), "")


def _shape(content: memoryview) -> tuple[int, ...]:
    """The sides of an input or output but the first."""
    for number in TO_SHAPE:
        content = next((f.content for f in fields(content) if f.number == number), memoryview(b""))
    sides = [f.content for f in fields(content) if f.number == SIDE]
    return tuple(
        next((_varint(f.content, 0)[0] for f in fields(s) if f.number == LENGTH_OF_SIDE), 0) for s in sides[1:]
    )


def _text(field: Field) -> str:
    return str(field.content, "utf-8", "replace")
