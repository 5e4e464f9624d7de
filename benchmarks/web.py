"""The exported page's quickness: its first pictures, and the answer to a slider's move, in a browser without a server.

    condgen train digits --images 100k --out runs/digits
    python benchmarks/web.py runs/digits

Exports the run, serves the folder from this process, and opens it in Chromium. A slider's move is a request for 16
images to the worker, another one each time. The first pictures are those of the page's grid, with nothing cached; by
then 14 MB of ONNX Runtime were loaded and compiled.
"""

import argparse
import json
import shutil
import tempfile
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

from condgen.runs.run import Run

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--window-size=1280,900")
PICTURED = "return [...document.querySelectorAll('main img')].filter((image) => image.naturalWidth).length >= 16"
ASKED = """
const [n, done] = arguments;
(async () => {
  const { connect } = await import(new URL("runtime/browser.js", document.baseURI));
  const worker = new Worker("runtime/worker.js", { type: "module" });
  const backend = connect(worker, async () => ({}));
  const [{ name }] = (await backend.models()).models;
  const times = [];
  for (let k = 0; k <= n; k += 1) {
    const start = performance.now();
    await backend.sample(name, { request: "", n: 16, seed: 16 * k });
    times.push(performance.now() - start);
  }
  done(times.slice(1));  // the first one loads the network
})();
"""


class Quiet(SimpleHTTPRequestHandler):
    """A static host without a log."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def browser() -> Any:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for flag in FLAGS:
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))


def measured(address: str, moves: int) -> dict[str, float]:
    """Milliseconds."""
    driver = browser()
    try:
        driver.set_script_timeout(600)
        start = time.perf_counter()
        driver.get(address)
        while not driver.execute_script(PICTURED):
            time.sleep(0.01)
        first = 1_000 * (time.perf_counter() - start)
        times = sorted(driver.execute_async_script(ASKED, moves))
    finally:
        driver.quit()
    return {"first pictures": first, "16 images": median(times), "16 images, 95 %": times[int(0.95 * len(times))]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--moves", type=int, default=100, help="requests for 16 images")
    parser.add_argument("--runtime", type=Path, help="the package onnxruntime-web; by default it is fetched once")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Run.open(arguments.run).export("web", Path(folder) / "page", runtime=arguments.runtime)
        host = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=path))
        threading.Thread(target=host.serve_forever, daemon=True).start()
        found = measured(f"http://127.0.0.1:{host.server_port}/", arguments.moves)
        host.shutdown()
    print(json.dumps({what: f"{value:.0f} ms" for what, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
