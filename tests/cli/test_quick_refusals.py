"""Refusals that need nothing of PyTorch, in a process in which it cannot be imported: a misspelling is told at once."""

from pathlib import Path

from tests.test_without_pytorch import without_pytorch

REFUSED = {
    "sample nowhere --out out": "There is no checkpoint at nowhere/",
    "sample {run} -n 0 --out out": "'0' is not a number",
    "sample {run} --interval high --out out": "LOW..HIGH",
    "sample {run} --engine raj --out out": "Did you mean ray",
    "sample {run} --workers 2 --out out": "--workers is for generation in bulk",
    "sample {run} --engine ray --shard few --out out": "'few' is not a number",
    "train digits --model cvea --out out": "Did you mean cvae",
    "train digits --budget soon --out out": "'soon' is not a time",
    "train digits --images many --out out": "'many' is not a number",
    "resume nowhere": "There is no checkpoint at nowhere/",
    "evaluate nowhere": "There is no checkpoint at nowhere/",
    "evaluate {run} --judge-images few": "'few' is not a number",
    "compare digits --models cvae --budget soon --out out": "'soon' is not a time",
}

REFUSE = """
from condgen.cli import main
for line in {lines!r}:
    sys.argv = ["condgen", *line.split()]
    try:
        main()
    except SystemExit as ended:
        print(f"{{ended.code}} for {{line}}", file=sys.stderr)
"""


def test_wrong_options_and_places_are_refused_before_pytorch_is_imported(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.safetensors").write_text("not read")
    lines = [line.format(run="run") for line in REFUSED]
    said = without_pytorch(REFUSE.format(lines=lines), tmp_path).stderr
    for line, reason in zip(lines, REFUSED.values(), strict=True):
        told, _, said = said.partition(f" for {line}")
        assert reason in told.replace("\\", "/"), f"{line}: {told}"
