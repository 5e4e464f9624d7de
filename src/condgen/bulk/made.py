"""Records of finished shards, and the index of all of them."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import xxhash

RECORDS = ".shards"  # the folder of the records, which readers of data pass over
INDEX = "index.json"


@dataclass
class Counts:
    """The samples of a shard by the index of their request: those that were made, and those that were kept."""

    made: Counter[int] = field(default_factory=Counter)
    kept: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True)
class Made:
    """A finished shard.

    file: its name.
    size, digest: of its bytes (XXH3, 64 bits).
    made, kept: numbers of samples by request.
    """

    shard: int
    file: str
    size: int
    digest: str
    made: Mapping[int, int]
    kept: Mapping[int, int]

    @classmethod
    def of(cls, shard: int, file: str, content: bytes, counts: Counts) -> "Made":
        """The record of a file with this content."""
        return cls(shard, file, len(content), xxhash.xxh3_64_hexdigest(content), dict(counts.made), dict(counts.kept))

    @property
    def samples(self) -> int:
        """The number of samples in it."""
        return sum(self.kept.values())

    def dumps(self) -> bytes:
        """The record as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def loads(cls, content: bytes) -> "Made":
        """The record in a JSON that `dumps` gave."""
        found: dict[str, Any] = json.loads(content)
        numbers = {name: {int(k): n for k, n in found[name].items()} for name in ("made", "kept")}
        return cls(**{**found, **numbers})


def record_of(file: str) -> str:
    """The name of the record of a shard's file."""
    return f"{RECORDS}/{file}.json"


def statistics_of(file: str) -> str:
    """The name of the statistics of a shard's file."""
    return f"{RECORDS}/{file}.safetensors"


@dataclass(frozen=True)
class Index:
    """All shards of a set.

    requests: the text of each request, and how many samples of it were made and kept.
    shards: name, number of samples, bytes and digest of each file.
    """

    requests: tuple[dict[str, Any], ...]
    shards: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, texts: Sequence[str], found: Iterable[Made]) -> "Index":
        """The index of finished shards, in their order."""
        made, kept, shards = Counter[int](), Counter[int](), list[dict[str, Any]]()
        for each in found:
            made.update(each.made)
            kept.update(each.kept)
            shards.append({"file": each.file, "samples": each.samples, "bytes": each.size, "digest": each.digest})
        counts = ({"request": text, "made": made[k], "samples": kept[k]} for k, text in enumerate(texts))
        return cls(tuple(counts), tuple(shards))

    @property
    def made(self) -> int:
        """The number of samples that were generated."""
        return sum(each["made"] for each in self.requests)

    @property
    def samples(self) -> int:
        """The number of samples that are there."""
        return sum(each["samples"] for each in self.requests)

    def lines(self) -> Iterator[str]:
        """The counts in words: of requests of which samples refused."""
        for each in self.requests:
            if refused := each["made"] - each["samples"]:
                yield f"{each['request']}: {refused:,} of {each['made']:,} samples refused"

    def dumps(self) -> bytes:
        """The index as JSON."""
        told = {"samples": self.samples, "refused": self.made - self.samples, **asdict(self)}
        return (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()
