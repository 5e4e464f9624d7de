"""The whole idea in two minutes: train on real digits, ask for each, let a judge read them; ask for cars in words."""

import shutil
from pathlib import Path
from typing import Any

import condgen
from condgen.runs.samples import save_samples

OUT = Path("demo")
DIGITS = tuple(f"digit={k}" for k in range(10))
CARS = ("a red coupe", "a blue van", "a yellow pickup with headlights")
CVAE: dict[str, Any] = {"likelihood": "gaussian", "prior": "flow", "embedding": 64, "latent": 32, "guidance": 2.0}
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>condgen: the demo</title>
<style>body {{ font: 1rem/1.5 sans-serif; max-width: 60rem; margin: 2rem auto }} img {{ max-width: 100% }}</style>
<h1>Digits, one row for each that was asked for</h1>
<img src="digits/grid.png" alt="generated digits"><p>{verdict}</p>
<p><a href="report.html">Every number</a> · <a href="gallery.html">more pictures</a></p>
<h1>Cars, asked for in words</h1><img src="cars/grid.png" alt="generated cars"></html>
"""


def pictures(run: condgen.Run, requests: tuple[str, ...], folder: Path) -> Path:
    """Ten samples a request; the picture of all."""
    return save_samples(run.stream(run.requests(list(requests)), n=10), run.schema, list(requests), folder)


def main() -> None:
    shutil.rmtree(OUT, ignore_errors=True)

    print("1. Training on scikit-learn's handwritten digits, as condgen recommends for them …", flush=True)
    digits = condgen.load("digits")
    run = condgen.train(digits, OUT / "run")

    print("2. Asking for every digit, and a judge, trained on real digits only, what came out …", flush=True)
    pictures(run, DIGITS, OUT / "digits")
    report = condgen.evaluate(run, digits, samples=2_000, pairs=500, useful=0, edits=0)
    report.save(OUT)
    condgen.gallery(run, data=digits, only=("requests", "neighbours")).save(OUT)

    print("3. Training on drawings of cars, and asking for some in words …", flush=True)
    drawn = condgen.load("cars", size=32)
    cars = condgen.train("cvae", drawn, OUT / "cars-run", images=60_000, channels=24, lr=6e-3, previews=0, **CVAE)
    pictures(cars, CARS, OUT / "cars")

    page = OUT / "index.html"
    page.write_text(PAGE.format(verdict=report), encoding="utf-8")
    print(
        f"\n{report}\n\nA page to open: {page}\n\nTry next:\n"
        f"  .venv/bin/condgen sample {OUT}/run 'digit=3|8' -n 20 --out {OUT}/threes-and-eights\n"
        f"  .venv/bin/condgen sample {OUT}/cars-run 'a black SUV' -n 20 --out {OUT}/suvs"
    )


if __name__ == "__main__":
    main()
