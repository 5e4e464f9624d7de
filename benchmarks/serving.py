"""A served model under load, beside the same model called directly.

    condgen train digits --model flow --images 100k --out runs/flow
    python benchmarks/serving.py runs/flow
    python benchmarks/serving.py runs/flow --overload 600

Starts `condgen serve` in a process of its own, and asks it from many connections at once, each for its next image as
soon as it has the last. Prints the 50th and 99th percentile of the seconds until an answer, the images per second, and
their ratio to the model's own: `run.together` in batches of the server's size and in as many threads, right before and
after, with no server. The model's own seconds for one image are the least that an answer can take.

`--overload` sends twice as many requests as the server answered at 64 connections, for so many seconds, whether
answered or not. It prints the numbers of answers, of 429, and of requests without an answer, and on the way the memory
of the server with the processes of its models.

Every image is compared with the model's own for its seed.
"""

import argparse
import asyncio
import base64
import io
import json
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
from PIL import Image

from condgen.runs.addresses import open_generator
from condgen.runs.generator import Generator, Threaded
from condgen.runs.sampling import Part
from condgen.serving.limits import all_but_one

SEEDS = 512  # different seeds that are asked for, in turn
REQUEST = ""  # attributes as in the data
IDLE = 3  # seconds after which a connection is opened anew; the server closes idle ones after 5
GREY = 1  # levels of 255 by which rounding may move a pixel


@dataclass
class Told:
    """What came of the requests: numbers of answers by status, seconds of those with images, images that differ."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    images: int = 0
    rounded: int = 0
    wrong: int = 0
    lost: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class Connection:
    """A kept-alive HTTP connection with as little work of its own as possible."""

    def __init__(self, address: str):
        parts = urlsplit(address)
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0

    async def post(self, body: Any) -> tuple[int, bytes]:
        """The status and the body of an answer."""
        if self._streams and time.perf_counter() - self._used > IDLE:
            self._streams[1].close()
            self._streams = None
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=2**24)
        reader, writer = self._streams
        content = json.dumps(body).encode()
        head = f"POST {self._path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(re.search(r"content-length: (\d+)", answer)[1])  # type: ignore[index]
        body = await reader.readexactly(length)
        self._used = time.perf_counter()
        return int(answer.split(" ", 2)[1]), body


class Expected:
    """The model's own images by seed, as the server writes them."""

    def __init__(self, generator: Generator, n: int):
        (request,) = generator.requests(REQUEST)
        samples = next(generator.stream([request], SEEDS + n, 0, SEEDS + n))
        self.n, self.pixels = n, [np.asarray(image, dtype=np.int16) for image in samples.to_pil()]

    def check(self, content: bytes, seed: int, told: Told) -> None:
        """Compare an answer with the images of its seeds."""
        samples = json.loads(content)["samples"]
        told.images += len(samples)
        for k, sample in enumerate(samples):
            with Image.open(io.BytesIO(base64.b64decode(sample["image"]))) as image:
                far = np.abs(np.asarray(image, dtype=np.int16) - self.pixels[seed + k]).max()
            told.rounded += 0 < far <= GREY
            told.wrong += far > GREY or sample["seed"] != seed + k
        told.wrong += len(samples) != self.n


async def ask(connection: Connection, seed: int, expected: Expected, told: Told) -> int:
    """Send one request and note what came of it. The status, or 0 without an answer."""
    started = time.perf_counter()
    try:
        status, content = await connection.post({"request": REQUEST, "n": expected.n, "seed": seed})
    except (OSError, EOFError) as error:
        told.lost += 1
        told.reasons[repr(error)[:80]] += 1
        return 0
    told.statuses[status] += 1
    if status == 200:
        told.seconds.append(time.perf_counter() - started)
        expected.check(content, seed, told)
    return status


async def closed(address: str, clients: int, seconds: float, expected: Expected) -> Told:
    """So many clients, each with its next request as soon as it has an answer."""
    told, seeds, until = Told(), count(), time.perf_counter() + seconds

    async def client() -> None:
        connection = Connection(address)
        while time.perf_counter() < until:
            await ask(connection, next(seeds) % SEEDS, expected, told)

    await asyncio.gather(*(client() for _ in range(clients)))
    return told


async def opened(address: str, rate: float, seconds: float, expected: Expected, server: psutil.Process) -> Told:
    """So many requests a second, whether the ones before are answered or not."""
    told, idle, running = Told(), list[Connection](), set[asyncio.Task[None]]()
    started, sent, shown = time.perf_counter(), 0, 0.0

    async def request(seed: int) -> None:
        connection = idle.pop() if idle else Connection(address)
        if await ask(connection, seed, expected, told):
            idle.append(connection)

    while (now := time.perf_counter() - started) < seconds:
        while sent < now * rate:
            task = asyncio.create_task(request(sent % SEEDS))
            running.add(task)
            task.add_done_callback(running.discard)
            sent += 1
        if now >= shown:
            print(f"{now:6.0f} s: {sent:,} sent, {dict(told.statuses)}, {memory(server):,.0f} MB", flush=True)
            shown += seconds / 10
        await asyncio.sleep(0.005)
    await asyncio.gather(*running)
    return told


def memory(server: psutil.Process) -> float:
    """MB that a server and the processes of its models take."""
    return sum(each.memory_info().rss for each in (server, *server.children(recursive=True))) / 1e6


def direct(generator: Generator, batch: int, seconds: float = 3) -> float:
    """Images per second of the model itself, in batches of this size."""
    (request,) = generator.requests(REQUEST)
    parts = [Part(request, range(seed, seed + 1)) for seed in range(batch)]
    generator.together(parts)
    started, made = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        made += len(generator.together(parts))
    return made / (time.perf_counter() - started)


class Server:
    """`condgen serve` in a process of its own."""

    def __init__(self, run: Path, *options: object):
        command = [sys.executable, "-m", "condgen.cli", "serve", f"model={run}", "--port", "0", *map(str, options)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr
        self.address = ""
        while not self.address:
            line = self.process.stderr.readline()
            if not line:
                sys.exit("The server did not start.")
            found = re.search(r"http://\S+:\d+", line)
            self.address = f"{found[0]}/v1/model/sample" if found else ""

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run, or an exported model")
    parser.add_argument("--clients", default="1,8,64,256")
    parser.add_argument("--n", type=int, default=1, help="images of one request")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=all_but_one(), help="of the model, served and not")
    parser.add_argument("--seconds", type=float, default=10, help="of each number of clients")
    parser.add_argument("--overload", type=float, help="seconds at twice what the server can bear")
    args = parser.parse_args()
    generator = open_generator(args.run)
    if isinstance(generator, Threaded):
        generator.use_threads(args.threads)
    expected, before = Expected(generator, args.n), direct(generator, args.batch)
    with Server(args.run, "--batch", args.batch, "--threads", args.threads) as server:
        asyncio.run(closed(server.address, 8, 2, expected))  # warm
        if args.overload:
            told = asyncio.run(closed(server.address, 64, 5, expected))
            rate = 2 * len(told.seconds) / 5
            print(f"{rate:,.0f} requests a second for {args.overload:g} s, twice what 64 connections were answered")
            whole = asyncio.run(
                opened(server.address, rate, args.overload, expected, psutil.Process(server.process.pid))
            )
            print(f"{dict(whole.statuses)}; {whole.wrong} images of other requests; {whole.lost} without an answer")
            print("\n".join(f"{number} times {reason}" for reason, number in whole.reasons.items()))
            return
        rows = []
        for clients in map(int, args.clients.split(",")):
            started = time.perf_counter()
            told = asyncio.run(closed(server.address, clients, args.seconds, expected))
            rows.append((clients, told, told.images / (time.perf_counter() - started)))
    after = direct(generator, args.batch)
    own = (before + after) / 2
    print(f"\nthe model itself: {own:,.0f} images/s in batches of {args.batch} ({before:,.0f}, then {after:,.0f})")
    print(f"one image: {1000 / direct(generator, 1):,.0f} ms. Threads: {args.threads}")
    print("\n| clients | p50 | p99 | images/s | of the model's own | answers | one level off | wrong |")
    print("|---|---|---|---|---|---|---|---|")
    for clients, told, rate in rows:
        p50, p99 = np.percentile(told.seconds, [50, 99]) * 1000
        print(
            f"| {clients} | {p50:,.0f} ms | {p99:,.0f} ms | {rate:,.0f} | {rate / own:.0%} | {dict(told.statuses)} | "
            f"{told.rounded} of {told.images} | {told.wrong + told.lost} |"
        )


if __name__ == "__main__":
    main()
