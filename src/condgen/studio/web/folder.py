"""Export to the web: a folder, or one file, in which the studio's page answers without a server."""

import re
from collections.abc import Mapping
from pathlib import Path

from condgen.export.onnx import must_have_packages
from condgen.files import saving
from condgen.outputs import new_folder
from condgen.progress import Progress, shown
from condgen.runs.exporting import Exporter
from condgen.runs.run import Run
from condgen.studio import page
from condgen.studio.web import modules
from condgen.studio.web.model import model_files
from condgen.studio.web.onnxruntime import runtime_files
from condgen.studio.web.single import single_page

START, WORKER = "web.js", "runtime/worker.js"
_NAMED = re.compile(r'(?:href|src)="([^":]+)"')


def write(
    run: Run,
    path: Path,
    *,
    single: bool = False,
    runtime: str | Path | None = None,
    with_examples: bool = False,
    licence: str = "",
    precision: str = "float32",
    progress: Progress | None = None,
) -> None:
    """Write a page that asks the model in the browser, as a folder for any static host.

    single: one HTML file instead, which opens by a double click.
    runtime: the package onnxruntime-web, or a folder with its files. By default it is fetched from npm, once.
    with_examples: show the values of attributes by training images. Otherwise the page holds none of them.
    licence, precision: as in exporting to onnx.

    Raises errors as exporting to ONNX does, and RunError if ONNX Runtime for browsers is neither given nor fetched.
    """
    must_have_packages()
    progress = progress or shown()
    files = runtime_files(Path(runtime) if runtime else None)
    program = {f"onnxruntime/{name}": content for name, content in files.items()}
    found = model_files(run, licence=licence, precision=precision, examples=with_examples, progress=progress)
    model = {f"model/{name}": content for name, content in found.items()}
    if single:
        with saving(path) as partial:
            partial.write_text(single_page(START, WORKER, {**model, **program}), encoding="utf-8")
        return
    with new_folder(path, "the page") as partial:
        for name, content in {**_page(), **program, **model}.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(content)


def _page() -> Mapping[str, bytes]:
    """The page's own files."""
    files, html = page.files(), page.index(START)
    names = {*modules.needed(START, WORKER), *_NAMED.findall(html), *modules.licences()}
    whole = page.with_policy(html, page.policy(html, "'wasm-unsafe-eval'"))  # which no server sends
    return {"index.html": whole.encode(), **{name: files[name].read_bytes() for name in sorted(names)}}


WEB = Exporter(
    "the studio's page, which asks the model in the browser, without a server", "", write, others={"single": ".html"}
)
