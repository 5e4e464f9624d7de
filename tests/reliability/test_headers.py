"""A short slice of the campaign in headers.py, and the damages that once came through."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from condgen.errors import RunError
from condgen.runs.run import Run
from condgen.training.checkpoint import FILE
from tests.reliability.headers import TRAINED, Checkpoint, accepted, damaged, held, nested

Harm = Callable[[Any, Random], Any]
CHECKPOINTS = [Checkpoint(run) for run in sorted(TRAINED.iterdir()) if (run / FILE).is_file()]


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(checkpoint=st.sampled_from(CHECKPOINTS), harm=st.sampled_from([damaged, accepted]), seed=st.integers(0, 2**32))
def test_any_damage_to_a_header_is_used_or_refused_in_a_paragraph(
    tmp_path_factory: pytest.TempPathFactory, checkpoint: Checkpoint, harm: Harm, seed: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    assert held(checkpoint.written(harm(checkpoint.header, Random(seed)), folder)) == ""


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    header = deepcopy(CHECKPOINTS[0].header)
    change(header)
    return CHECKPOINTS[0].written(header, tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda h: h.update(images=-5), "images"),
        (lambda h: h.update(total=10**30), "total"),
        (lambda h: h.update(seconds=float("nan")), "seconds"),
        (lambda h: h.update(shape=[]), "shape"),
        (lambda h: h.update(shape=[1, 8, 10**12]), "shape"),
        (lambda h: h["recipe"].update(model=["cvae"]), "model"),
        (lambda h: h["recipe"].update(arguments=[]), "arguments"),
        (lambda h: h["recipe"]["arguments"].update(beta=float("inf")), "beta"),
        (lambda h: h["recipe"]["arguments"].update(latent=1_000_000), "does not fit"),
        (lambda h: h["recipe"]["arguments"].update(depth=1_000), "does not fit"),
        (lambda h: h["data"].update(source=7), "source"),
        (lambda h: h["data"].update(teacher={"path": 7, "guidance": 1}), "teacher"),
        (lambda h: h["data"].update(teacher={"path": "a", "guidance": float("inf")}), "teacher"),
        (lambda h: h.update(training=nested(400)), "header"),
    ],
)
def test_nonsense_is_refused_before_anything_is_built(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], part: str
) -> None:
    with pytest.raises(RunError) as caught:
        Run.open(changed(tmp_path, change))
    assert part in str(caught.value)
    assert len(str(caught.value)) < 2_000


def test_a_header_of_any_depth_or_length_is_refused(tmp_path: Path) -> None:
    for name, text in {"deep": "[" * 100_000, "long": '{"format": 1' + " " * (33 * 2**20) + "}"}.items():
        with pytest.raises(RunError, match="header"):
            Run.open(CHECKPOINTS[0].written_as(text, tmp_path / name))
