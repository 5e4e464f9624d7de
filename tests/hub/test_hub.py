"""Runs are shared on the Hub and fetched from it. A stand-in on this machine takes its place."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from safetensors.torch import load_file

from condgen.errors import RequestError, RunError
from condgen.extras import MissingExtraError
from condgen.runs.exporting import EXPORTERS, Exporter
from condgen.runs.hub import CARD, CONFIG, WEIGHTS
from condgen.runs.run import Run
from condgen.runs.trust import UntrustedError
from condgen.training import checkpoint
from tests.conftest import Command
from tests.hub.stand_in import TOKEN, Repository, StandIn

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of huggingface_hub itself

TRAINED = Path(__file__).parents[1] / "runs" / "trained" / "cvae"
NAME = "somebody/digits"
KEY = f"models/{NAME}"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.open(shutil.copytree(TRAINED, tmp_path / "run"))


def newest(hub: StandIn, key: str = KEY) -> dict[str, bytes]:
    repository = hub.repositories[key]
    return repository.versions[repository.newest]


def test_a_pushed_run_is_fetched_by_its_name_and_makes_the_same_samples(hub: StandIn, run: Run) -> None:
    assert run.push_to_hub(NAME, licence="apache-2.0") == f"{hub.address}/{NAME}"
    assert sorted(newest(hub)) == [CARD, CONFIG, WEIGHTS, "samples.png"]
    fetched = Run.from_pretrained(NAME)
    assert fetched.sample("digit=7", n=3).x.equal(run.sample("digit=7", n=3).x)
    config = json.loads(newest(hub)[CONFIG])
    assert config["library_name"] == "condgen"
    assert (config["model"], config["shape"]) == ("cvae", [1, 8, 8])


def test_the_front_of_the_card_is_read_by_the_hubs_own_library(hub: StandIn, run: Run) -> None:
    run.push_to_hub(NAME, licence="apache-2.0", data_licence="ask my aunt")
    card = ModelCard(newest(hub)[CARD].decode())
    assert card.data.license == "apache-2.0"
    assert card.data.library_name == "condgen"
    assert {"condgen", "cvae"} <= set(card.data.tags)
    assert "ask my aunt" in card.text


def test_a_name_stands_for_the_newest_version_unless_another_is_named(hub: StandIn, run: Run) -> None:
    run.push_to_hub(NAME)
    first = hub.repositories[KEY].newest
    hub.repositories[KEY].commit({WEIGHTS: b"something else"})
    with pytest.raises(RunError, match="damaged"):
        Run.from_pretrained(NAME)
    assert Run.from_pretrained(NAME, revision=first).schema == run.schema
    assert Run.from_pretrained(f"{NAME}@{first}").schema == run.schema


def test_what_only_the_author_may_know_is_not_pushed(hub: StandIn, run: Run, tmp_path: Path) -> None:
    secret = str(tmp_path / "clinic" / "patients.csv")
    run.info.data = {**run.info.data, "source": secret, "teacher": {"path": secret, "guidance": 1.0}}
    run.push_to_hub(NAME)
    everything = b"".join(newest(hub).values())
    assert secret.encode() not in everything
    assert b"patients" not in everything
    assert b"of the author's own" in newest(hub)[CARD]


def test_a_private_run_needs_the_token(hub: StandIn, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.push_to_hub(NAME, private=True)
    assert hub.repositories[KEY].private
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(RunError, match=f"The run {NAME} cannot be fetched"):
        Run.from_pretrained(NAME)
    assert Run.from_pretrained(NAME, token=TOKEN).schema == run.schema


@pytest.mark.parametrize("token", ["hf_AbcDef123", "a-token-of-another-kind"])
def test_a_refusal_is_one_paragraph_without_the_token(hub: StandIn, run: Run, token: str) -> None:
    with pytest.raises(RunError, match="Invalid token") as refused:
        run.push_to_hub(NAME, token=token)
    assert token not in str(refused.value)
    assert "(a token)" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "hf auth login" in str(refused.value)


def test_a_hub_that_is_down_and_a_run_that_is_not_there_are_told(hub: StandIn) -> None:
    with pytest.raises(RunError, match="somebody/nothing cannot be fetched"):
        Run.from_pretrained("somebody/nothing")
    hub.repositories["models/somebody/text"] = Repository()
    with pytest.raises(RunError, match=f"somebody/text has no {WEIGHTS}"):
        Run.from_pretrained("somebody/text")


@pytest.mark.parametrize("name", ["digits", "../../etc", "a/b/c", "a b/c", "-x/y", ""])
def test_what_is_no_name_is_refused_before_anything_is_sent(hub: StandIn, run: Run, name: str) -> None:
    with pytest.raises(RequestError, match="OWNER/NAME"):
        run.push_to_hub(name)
    assert hub.asked == []


def test_settings_are_checked_before_anything_is_sent(hub: StandIn, run: Run) -> None:
    with pytest.raises(RequestError, match="Did you mean licence"):
        run.push_to_hub(NAME, license="mit")
    assert hub.asked == []


def test_a_fetched_run_reads_no_more_than_any_other(hub: StandIn, run: Run, tmp_path: Path) -> None:
    """A repository may hold any weights, also a whole run that names a file of this machine."""
    private = tmp_path / "private.csv"
    private.write_text("name\nsecret\n")
    info, tensors = checkpoint.load(run.path / checkpoint.FILE)
    info.data = {**info.data, "source": str(private)}
    checkpoint.save(tmp_path / WEIGHTS, info, tensors)
    hub.repositories[KEY] = Repository()
    hub.repositories[KEY].commit({WEIGHTS: (tmp_path / WEIGHTS).read_bytes()})
    fetched = Run.from_pretrained(NAME)
    with pytest.raises(UntrustedError, match=r"private\.csv"):
        fetched.data()


def test_commands_push_and_sample(hub: StandIn, run: Run, command: Command, tmp_path: Path) -> None:
    pushed = command("push", run.path, NAME, "--licence", "mit")
    assert pushed.status == 0, pushed.err
    assert f"{hub.address}/{NAME}" in pushed.out
    assert "has no report" in pushed.err
    assert f"condgen sample hf:{NAME}" in pushed.out
    made = command("sample", f"hf:{NAME}", "digit=7", "-n", "2", "--out", tmp_path / "sevens")
    assert made.status == 0, made.err
    assert (tmp_path / "sevens" / "000001.png").exists()


def test_without_the_hubs_library_the_extra_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"condgen\[hub\]"):
        Run.from_pretrained(NAME)


def test_a_local_folder_as_the_hub_has_it_is_a_run(run: Run, tmp_path: Path, command: Command) -> None:
    exported = command("export", run.path, "--to", "hub", "--out", tmp_path / "shared")
    assert exported.status == 0, exported.err
    folder = tmp_path / "shared"
    for opened in (Run.from_pretrained(folder), Run.open(folder), Run.open(folder / WEIGHTS)):
        assert opened.sample(n=2).x.equal(run.sample(n=2).x)
    assert load_file(folder / WEIGHTS).keys() >= {"joint/counts"}


def test_a_space_is_pushed_as_one(hub: StandIn, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = Exporter("", ".onnx", lambda run, path, licence: path.write_bytes(b"a model"))
    monkeypatch.setitem(EXPORTERS._own, "onnx", quick)
    assert run.push_to_hub(NAME, space=True) == f"{hub.address}/spaces/{NAME}"
    assert hub.repositories[f"spaces/{NAME}"].sdk == "docker"
    assert newest(hub, f"spaces/{NAME}")["model.onnx"] == b"a model"
