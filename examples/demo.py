"""The whole idea in a minute: train on real digits, ask for each digit, let an independent judge say what came out."""

import shutil
from pathlib import Path

from condgen import load, train
from condgen.evaluation import obedience, train_judge
from condgen.presets import preset
from condgen.runs.samples import save_samples

OUT = Path("demo")


def main() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    data = load("digits")

    print("1. Training a FiLM-conditioned CVAE on scikit-learn's handwritten digits …", flush=True)
    recipe = preset("demo")
    run = train(recipe.pop("model"), data, OUT / "run", **recipe)

    print("2. Asking for every digit, ten times each …", flush=True)
    asked = run.requests("digit=*")
    picture = save_samples(run.stream(asked, n=10), run.schema, [r.text for r in asked], OUT / "samples")

    print("3. Training an independent judge on real digits only, and asking it what came out …", flush=True)
    judge = train_judge(data.train.x, data.train.condition, images=100_000)
    verdict = obedience(judge, run.sample("digit=*", n=200), data.test)

    print(f"\nThe picture, one row per digit: {picture}")
    print(f"Generated digits that the judge recognises as the one asked for: {verdict['digit'].asked.value:.1%}")
    print(f"Real digits that it recognises, from data nobody trained on:     {verdict['digit'].real.value:.1%}")
    print(
        "\nTry next:\n"
        f"  .venv/bin/condgen sample {OUT}/run 'digit=3|8' -n 20 --out {OUT}/threes-and-eights\n"
        f"  .venv/bin/condgen edit {OUT}/run {OUT}/samples/000020.png 'digit=7' --from digit=2 --out {OUT}/edited\n"
        "  .venv/bin/condgen train digits --mechanism concat --budget 30s --out my-run"
    )


if __name__ == "__main__":
    main()
