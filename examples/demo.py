"""The whole idea in a minute: train on real digits, ask for each digit, let an independent judge say what came out."""

import shutil
from pathlib import Path

import condgen
from condgen.runs.samples import save_samples

OUT = Path("demo")


def main() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    data = condgen.load("digits")

    print("1. Training on scikit-learn's handwritten digits, as condgen recommends for them …", flush=True)
    run = condgen.train(None, data, OUT / "run", images=150_000)

    print("2. Asking for every digit, ten times each …", flush=True)
    asked = run.requests("digit=*")
    picture = save_samples(run.stream(asked, n=10), run.schema, [r.text for r in asked], OUT / "samples")

    print("3. Training an independent judge on real digits only, and asking it what came out …", flush=True)
    report = condgen.evaluate(run, data, samples=2_000, pairs=500, useful=0, edits=0)
    page = condgen.gallery(run, data=data, only=("requests", "neighbours")).save(OUT)

    print(f"\n{report}")
    print(f"\nThe picture, one row per digit: {picture}")
    print(f"A page to open: {page / 'gallery.html'}")
    print(
        "\nTry next:\n"
        f"  .venv/bin/condgen sample {OUT}/run 'digit=3|8' -n 20 --out {OUT}/threes-and-eights\n"
        f"  .venv/bin/condgen doctor {OUT}/run\n"
        "  .venv/bin/condgen train digits --mechanism concat --budget 30s --out my-run"
    )


if __name__ == "__main__":
    main()
