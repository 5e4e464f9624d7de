"""The studio's quickness: its start, the answer to a slider's move, the size of the page and its first paint.

    condgen train digits --images 100k --out runs/digits
    python benchmarks/studio.py runs/digits

Starts `condgen studio` in a process of its own. The start counts from the end of the imports to the first answer about
the models. A slider's move is a request for 16 images over HTTP, another one each time. The first paint is Chromium's
own first-contentful-paint, with nothing cached, and the first pictures are those of the page's grid.
"""

import argparse
import gzip
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from condgen.studio import page
from condgen.studio.web.modules import needed

IMPORTED = "imported"
PARTS = (".html", ".css")  # of the page, beside the modules that it imports
CHILD = f"""
import sys
import condgen.runs.run, condgen.studio.app, condgen.studio.server
from condgen.cli import main
print({IMPORTED!r}, flush=True)
sys.argv = ["condgen", "studio", *sys.argv[1:]]
main()
"""
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--window-size=1280,900")
PAINTED = (
    "return performance.getEntriesByType('paint').find((each) => each.name === 'first-contentful-paint')?.startTime"
)
PICTURED = "return [...document.images].filter((image) => image.complete && image.naturalWidth).length"


class Studio:
    """A studio in a process of its own. seconds: from the end of its imports to its first answer."""

    def __init__(self, run: Path):
        command = [sys.executable, "-c", CHILD, f"model={run}", "--port", "0", "--no-open"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout
        assert self.process.stderr
        self.process.stdout.readline()
        started = time.perf_counter()
        found = next(filter(None, (re.search(r"http://\S+:\d+/", line) for line in self.process.stderr)), None)
        if found is None:
            sys.exit("The studio did not start.")
        self.address = found[0]
        self.connection = HTTPConnection(urlsplit(self.address).netloc)
        self.get("/studio/models")
        self.seconds = time.perf_counter() - started

    def get(self, path: str) -> bytes:
        """The content at an address."""
        self.connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        return self.connection.getresponse().read()

    def sample(self, body: dict[str, object]) -> int:
        """The number of images that a request gives."""
        content = json.dumps(body).encode()
        self.connection.request("POST", "/v1/model/sample", content, {"Content-Type": "application/json"})
        return len(json.load(self.connection.getresponse())["samples"])

    def __enter__(self) -> "Studio":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        self.process.wait()


def moves(studio: Studio, times: int, n: int = 16) -> list[float]:
    """Milliseconds of answers to as many moves of a slider, each to the next value."""
    about = json.loads(gzip.decompress(studio.get("/studio/model/about")))
    terms = [{a["name"]: value["value"]} for a in about["attributes"] for value in a.get("values", ())]
    terms += [
        {a["name"]: a["low"] + k / 8 * (a["high"] - a["low"])}
        for a in about["attributes"]
        if "low" in a
        for k in range(9)
    ]
    studio.sample({"n": n})  # warm
    found = []
    for k in range(times):
        started = time.perf_counter()
        assert studio.sample({"request": terms[k % len(terms)] if terms else "", "n": n, "seed": k}) == n
        found.append(1000 * (time.perf_counter() - started))
    return found


def _values(attribute: dict[str, Any]) -> list[object]:
    """The values that a control of an attribute moves through."""
    if "low" in attribute:
        return [float(value) for value in np.linspace(attribute["low"], attribute["high"], 9)]
    return [each["value"] for each in attribute.get("values", ())]


@contextmanager
def browser() -> Iterator[object]:
    """A browser with nothing cached."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for flag in FLAGS:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def paints(address: str, times: int) -> tuple[list[float], list[float]]:
    """Milliseconds until the first paint, and until the grid has pictures."""
    painted, pictured = [], []
    for _ in range(times):
        with browser() as driver:
            started = time.perf_counter()
            driver.get(address)  # type: ignore[attr-defined]
            while driver.execute_script(PICTURED) < 16 and time.perf_counter() - started < 30:  # type: ignore[attr-defined]
                time.sleep(0.02)
            pictured.append(1000 * (time.perf_counter() - started))
            painted.append(driver.execute_script(PAINTED))  # type: ignore[attr-defined]
    return painted, pictured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run, or an exported model")
    parser.add_argument("--moves", type=int, default=50, help="moves of a slider")
    parser.add_argument("--paints", type=int, default=5, help="times that the page is opened")
    args = parser.parse_args()
    loaded = {"theme.js", *needed(page.START)}
    files = [file.read_bytes() for name, file in page.files().items() if name in loaded or name.endswith(PARTS)]
    size, packed = sum(map(len, files)), sum(len(gzip.compress(content, 4)) for content in files)
    with Studio(args.run) as studio:
        found = moves(studio, args.moves)
        p50, p95 = np.percentile(found, [50, 95])
        print(f"start, after imports:   {studio.seconds:6.2f} s    (wanted: < 3 s)")
        print(f"a slider's move:        {p50:6.0f} ms   p95 {p95:,.0f} ms (wanted: < 150 ms, 16 images)")
        print(f"the page, as it is sent: {packed / 1000:5.1f} kB   {size / 1000:,.1f} kB unpacked (wanted: < 150 kB)")
        if not shutil.which("chromedriver"):
            print("first paint:            no browser; install chromium and chromium-driver")
            return
        painted, pictured = paints(studio.address, args.paints)
    print(f"first paint:            {median(painted):6.0f} ms   slowest {max(painted):,.0f} ms (wanted: < 1,000 ms)")
    print(f"first pictures:         {median(pictured):6.0f} ms   slowest {max(pictured):,.0f} ms, seen from outside")


if __name__ == "__main__":
    main()
