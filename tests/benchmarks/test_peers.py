"""The harness of the peers' benchmark, with a peer that needs no package."""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.peers import __main__ as command
from benchmarks.peers import environment, inside
from benchmarks.peers.catalogue import ADAPTERS, CLASS, FLAGS, PEERS, Row, lines_of_code, own, scripts
from benchmarks.peers.judging import judged, labels_of
from benchmarks.peers.table import COLUMNS, better, line, table
from benchmarks.peers.trial import Failed, Plan, tried, written
from condgen.data import Splits, load
from condgen.evaluation import Judge, train_judge

ROOT = Path(__file__).parents[2]
FAKE = '''
"""Answers each label with the mean of its images."""

import importlib.util


def train(images, labels, clock):
    assert importlib.util.find_spec("judging") is None  # the harness's own files hide no packages
    for x, y in clock.batches(images, labels, 500):
        pass
    return {int(k): images[labels == k].float().mean(0) / 255 for k in labels.unique()}


def sample(means, labels):
    import torch

    return torch.stack([means[int(k)] for k in labels])  # a comment
'''


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    path = tmp_path / "fake.py"
    path.write_text(FAKE)
    return path


@pytest.fixture(scope="module")
def judge(digits: Splits) -> Judge:
    return train_judge(digits.train.x, digits.train.condition, images=15_000)


@pytest.fixture
def given(tmp_path: Path, digits: Splits) -> Path:
    labels, asked = labels_of(digits.train.condition), labels_of(digits.test.condition)
    return written(tmp_path / "given", digits.train.x.numpy(), labels, asked)


def ticking(times: list[float]) -> Iterator[float]:
    """Readings of a clock; the last one stays."""
    yield from times
    while True:
        yield times[-1]


# ---- inside a peer's environment


def test_training_ends_with_the_time_and_counts_every_image(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = inside.Clock(seconds=1_000)
    batches = clock.batches(torch.zeros(10, 1, 2, 2, dtype=torch.uint8), torch.arange(10), 4)
    sizes = [len(next(batches)[0]) for _ in range(3)]
    monkeypatch.setattr(clock, "_end", 0.0)
    assert sizes == [4, 4, 2]
    assert list(batches) == []
    assert clock.images == 10


def test_a_loop_of_its_own_is_ended_from_its_callback() -> None:
    clock = inside.Clock(seconds=-1)
    with pytest.raises(clock.Over):
        clock.count(64)
    assert clock.images == 64


def test_slow_samples_are_as_many_as_the_time_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(inside.time, "perf_counter", lambda: now[0])

    def sample(labels: torch.Tensor) -> torch.Tensor:
        now[0] += float(len(labels))
        return torch.ones(len(labels), 1, 2, 2)

    made, rate = inside.sampled(sample, torch.zeros(1_000), seconds=100)
    assert 80 <= len(made) <= 100
    assert rate == pytest.approx(1)


def test_quick_samples_are_all_made_in_growing_batches() -> None:
    sizes: list[int] = []

    def sample(labels: torch.Tensor) -> torch.Tensor:
        sizes.append(len(labels))
        return 2 * torch.ones(len(labels), 1, 2, 2)

    made, _ = inside.sampled(sample, torch.zeros(1_000), seconds=1_000)
    assert len(made) == 1_000
    assert sizes[:3] == [8, 16, 32]
    assert (made == 255).all()


def test_processor_time_replaces_every_clock_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = SimpleNamespace(perf_counter=lambda: 9.0, monotonic=lambda: 9.0, process_time=lambda: 1.0)
    monkeypatch.setattr(inside, "time", clocks)
    inside.count_processor_time()
    assert clocks.perf_counter() == clocks.monotonic() == 1


# ---- one trial in a process of its own


def test_a_peer_is_trained_and_asked_in_its_own_process(fake: Path, given: Path, tmp_path: Path) -> None:
    outcome = tried(Path(sys.executable), fake, {}, given, tmp_path / "out", Plan(0.2, 5, threads=2))
    assert outcome.samples.shape[1:] == (1, 8, 8)
    assert outcome.samples.dtype == np.uint8
    assert outcome.figures["images"] >= 500
    assert outcome.figures["seconds"] >= 0.2
    assert outcome.figures["threads"] == 2
    assert outcome.figures["memory"] > 10


def test_a_peer_that_fails_says_why(tmp_path: Path, given: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def train(images, labels, clock):\n    raise ValueError('no such layer')\n")
    with pytest.raises(Failed, match="no such layer"):
        tried(Path(sys.executable), broken, {}, given, tmp_path / "out", Plan(1, 1))


def test_a_script_is_run_as_it_is_on_the_given_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "gan.py"
    script.write_text(
        "import torch\n"
        "from types import SimpleNamespace\n"
        "from torchvision import datasets\n"
        "opt = SimpleNamespace(latent_dim=3)\n"
        "data = datasets.MNIST('../../data', train=True, download=True, transform=lambda image: torch.ones(1, 4, 4))\n"
        "def generator(noise, labels):\n"
        "    assert noise.shape == (len(labels), 3)\n"
        "    return labels[:, None, None, None] * torch.ones(1, 4, 4) - 1\n"
        "for epoch in range(10 ** 9):\n"
        "    for images, labels in torch.utils.data.DataLoader(data, batch_size=2):\n"
        "        pass\n"
    )
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(datasets=SimpleNamespace()))
    monkeypatch.setattr(torch.utils.data, "DataLoader", torch.utils.data.DataLoader)
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.chdir(tmp_path)
    adapter, clock = inside.loaded(ADAPTERS / "script.py"), inside.Clock(0.1)
    trained = adapter.train(torch.zeros(5, 1, 2, 2, dtype=torch.uint8), torch.arange(5), clock, str(script))
    assert clock.images > 5
    assert adapter.sample(trained, torch.tensor([0, 1, 2])).flatten(1).tolist() == [[0] * 4, [0.5] * 4, [1] * 4]


@pytest.mark.slow
def test_condgen_is_timed_through_the_same_adapter(digits: Splits) -> None:
    adapter, clock = inside.loaded(ADAPTERS / "condgen.py"), inside.Clock(1.5)
    images, labels = digits.train.x[:300], torch.from_numpy(labels_of(digits.train.condition))[:300]
    run = adapter.train(images, labels, clock, preset="demo")
    assert clock.images == run.info.images > 0
    made = adapter.sample(run, labels[:20])
    assert made.shape == (20, 1, 8, 8)
    assert len({tuple(x.flatten().tolist()) for x in made}) == 20  # noise of their own


# ---- the rows


def test_every_peer_is_pinned_and_its_adapter_is_whole() -> None:
    text = "\n".join(file.read_text() for file in environment.CONSTRAINTS)
    pinned = {entry.partition("==")[0] for entry in text.splitlines()}
    for row in PEERS:
        assert set(row.packages) <= pinned
        functions = [node.name for node in ast.parse(row.adapter.read_text()).body if isinstance(node, ast.FunctionDef)]
        assert {"train", "sample"} <= set(functions)


def test_a_condition_that_a_peer_cannot_take_is_a_reason() -> None:
    row = Row("peer", Path("peer.py"), takes=(CLASS,), side=28)
    assert row.cannot(CLASS, 28) == ""
    assert row.cannot(FLAGS, 28) == "takes one class, not flags"
    assert row.cannot(CLASS, 64) == "its example is for 28×28 pixels"


def test_lines_hold_code_only(fake: Path) -> None:
    assert lines_of_code(fake.read_text()) == 9
    assert Row("fake", fake).lines == 9


def test_scripts_are_files_or_all_in_a_folder(tmp_path: Path) -> None:
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text("x = 1\n")
    rows = scripts([tmp_path, tmp_path / "one.py"])
    assert [row.name for row in rows] == ["one.py, a script", "two.py, a script", "one.py, a script"]
    assert rows[0].lines == 1
    assert rows[0].settings == {"script": str(tmp_path / "one.py")}


def test_presets_of_condgen_follow_the_size_of_images() -> None:
    assert [row.name for row in own(28)][:2] == ["condgen, recommended", "condgen digits"]
    assert "condgen faces" in [row.name for row in own(64)]


# ---- environments


def test_an_environment_is_made_once_with_pinned_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, ...]] = []

    def run(*command: str) -> str:
        ran.append(command)
        (tmp_path / "peer-x").mkdir(exist_ok=True)
        return "peer_x==1.2\nnumpy==2.0\n"

    monkeypatch.setattr(environment, "_run", run)
    python = environment.python_of("peer-x", ("peer-x",), tmp_path)
    assert python == environment.python_of("peer-x", ("peer-x",), tmp_path)
    assert len(ran) == 3
    assert str(ROOT / "constraints.txt") in ran[1]
    assert environment.version_of("peer-x", "peer-x", tmp_path) == "1.2"
    assert environment.python_of("condgen", (), tmp_path) == Path(sys.executable)


def test_an_environment_that_cannot_be_made_says_why() -> None:
    with pytest.raises(environment.Unavailable, match="no such version"):
        environment._run(sys.executable, "-c", "raise SystemExit('no such version')")


# ---- judging and the table


def test_real_images_are_as_asked_and_near_the_floor(digits: Splits, judge: Judge) -> None:
    found = judged(judge, digits.test.x.numpy(), digits)
    assert found["obedience"] > 0.9
    assert found["ratio"] < 0.5
    shuffled = judged(judge, digits.test.x.numpy()[::-1].copy(), digits)
    assert shuffled["obedience"] < 0.4


def test_too_few_samples_have_no_distance(digits: Splits, judge: Judge) -> None:
    found = judged(judge, digits.test.x.numpy()[:20], digits)
    assert np.isnan(found["ratio"])
    assert found["obedience"] > 0.7


FIGURES: dict[str, Any] = {
    "speed": 100.0,
    "images": 1_000,
    "obedience": 0.5,
    "ratio": 3.0,
    "recall": 0.5,
    "rate": 10.0,
    "samples": 200,
    "memory": 300.0,
    "lines": 20,
}


def test_a_row_shows_its_figures_or_its_reason() -> None:
    assert line("peer", FIGURES | {"version": "1.0"}).startswith("| peer 1.0 | 100 | 1,000 | 50.0% | 3.0 |")
    assert "| – |" in line("peer", FIGURES | {"obedience": None})
    refused = line("peer", {"reason": "takes one class, not flags"})
    assert "takes one class" in refused
    assert refused.count("|") == line("peer", FIGURES).count("|")
    assert table([("peer", FIGURES)]).count("\n") == 2
    assert len(COLUMNS) == len(FIGURES)


def test_a_peer_that_is_ahead_is_named() -> None:
    rows = [
        ("condgen digits", FIGURES),
        ("peer", FIGURES | {"obedience": 0.6, "ratio": 9.0}),
        ("ill", {"reason": "no"}),
    ]
    assert better(rows) == ["as asked: peer is ahead, 60.0% against 50.0%."]


# ---- the whole command


def test_the_command_prints_one_table_and_keeps_finished_rows(
    fake: Path, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (Row("fake", fake), Row("colours", fake, takes=(FLAGS,)))
    monkeypatch.setattr(command, "PEERS", rows)
    monkeypatch.setattr(command, "judge_for", lambda data: judge)
    given = ["--data", "digits", "--budget", "1s", "--only", "fake", "colours", "--processor"]
    command.main([*given, "--cache", str(tmp_path), "--out", str(tmp_path)])
    shown = capsys.readouterr().out
    assert "| colours | takes flags, not one class |" in shown
    assert "| fake |" in shown
    kept = json.loads((tmp_path / "digits-1s-0" / "fake.json").read_text())
    assert kept["obedience"] > 0.8  # the mean of a digit's images is that digit
    assert kept["ratio"] > 3  # and always the same one
    fake.unlink()
    command.main([*given, "--cache", str(tmp_path), "--out", str(tmp_path)])
    assert capsys.readouterr().out == shown


def test_an_unknown_row_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Exception, match="No row is called nobody"):
        command.chosen(PEERS, ["nobody"])


def test_labels_are_classes_or_columns_of_flags() -> None:
    data = load("digits")
    assert labels_of(data.test.condition).shape == (len(data.test),)
