"""The browser computes what an exported model computes: requests, labels and samples, the same for the same seeds."""

import json
import math
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save

from condgen.arrays import to_numpy
from condgen.errors import RequestError
from condgen.export.tracing import kind_of
from condgen.models.abilities import Edits, Guided
from condgen.requests import parse_requests
from condgen.rng import NumpyRng, Stream
from condgen.runs.editing import EditOptions
from condgen.runs.run import Run
from condgen.runs.samples import Samples
from condgen.runs.sampling import SamplingOptions
from condgen.schema import Categorical, Condition, Continuous, Flag, LabelDistribution, Schema
from condgen.schema.stored import restored, stored
from condgen.schema.vector import Vector
from condgen.studio.labels import Labels
from condgen.studio.web.words import words
from tests.export.untrained import IMAGE, VECTOR, untrained
from tests.studio.web.conftest import Asked

PEOPLE = Schema(
    attributes=(
        Categorical(
            name="color",
            values=("red", "green", "blue", "dark red"),
            synonyms=("colour", "paint"),
            aliases={"crimson": "red", "warm": "red|green"},
        ),
        Categorical(name="digit", values=tuple("0123456789")),
        Flag(name="Eyeglasses", synonyms=("glasses",)),
        Flag(name="Male"),
        Flag(name="Young"),
        Flag(name="No_Beard"),
        Flag(name="5_o_Clock_Shadow"),
        Continuous(name="age", low=0, high=80, aliases={"teenager": "13..19"}),
        Continuous(name="price", low=10, high=100_000, scale="log"),
        Categorical(name="Straße", values=("groß", "klein", "naïve")),
        Categorical(name="shape", values=("round, large", "a|b", '5" wide', '"so, called"', "see x=1", "*")),
        Vector(name="emb", mean=(0, 5), scale=(1, 0.1)),
    )
)
PHRASES = (
    "a 7", "an old man", "an old man with glasses", "digit=3|5", "color!=red", "age=20..30", "digit=*", "digit!=*",
    "Male=yes, Young=no", "7, Eyeglasses", "a woman without glasses", "not red or blue", "a man in his thirties",
    "aged over 30", "30 years old", "between 20 and 40", "20 to 30 years", "price over 1000", "red or green", "warm",
    "dark red", "teenager", "age=teenager", "very old man", "a 60 year old", "no glasses no beard", "unrd color",
    "age=200", "age>3", "", "age=30..20", "color=purple", "5 o'clock shadow", "straße=groß", "strasse groß", "naive",
    "straße=nai\u0308ve",
    "colour=crimson|blue", "emb=1 5", "emb=[1, 5]", "emb=1", "an elderly lady, no beard", "younger than 30",
    "in her 20s", "40s", "digit=3.0", "price=inf", "red blue", "glasses=1, Eyeglasses=0", "x=3", "not", "anything",
    "someone with glasses and", "age<=30", "age > 20 Male=yes", "price≥1000", "age>90", "age<-1", "age>x", "age>",
    "digit>5", "digit<=0", "digit>9", "digit≥x", "color<red", "Male>0", "emb>1", "> 30", "a man > 30", "20<age<30",
    "age>20, age<30", "No Berd=yes", "shape kind=x", "old man digt=7", "Male yes=no", "a person with x=1",
    "digit=3..5", "digit=5..3", "digit=20..30", "digit=1|7.5..9", "Male=yes hair colr=red", "color=dark red Male",
    "price=1e39", "aged between 40 and 30", "40 to 30 years", "between -10 and -5 years", "-10 to 5 years", "-5--3",
    "younger than -5", "older than 95", "a 20-30 year old", "mid-20-30", "age>=80.0001", "age<=80.001",
    "age>3 glasses", "color=red or blue, Male", "color=a b c d e f g h i j k l m n",
)  # fmt: skip
MAPPINGS: tuple[dict[str, Any], ...] = (
    {"color": ["red", "blue"]}, {"color": {"not": ["red", "green"]}}, {"age": [20, 30]}, {"age": 30}, {"Male": True},
    {"Male": False, "digit": 7}, {"digit": None}, {"emb": [1, 5]}, {"color": "*", "digit": "*"}, {"digit": []},
    {"age": [20, 30, 40]}, {"glasses": 1, "Eyeglasses": 0},
)  # fmt: skip
WORDS = (
    "red", "green", "blue", "dark", "crimson", "warm", "7", "3", "30", "5", "1000", "-2", "age", "old", "young", "man",
    "woman", "not", "no", "without", "or", "and", "with", "glasses", "beard", "over", "under", "between", "years",
    "price", "a", "the", "very", "digit", "color", "in", "his", "thirties", "20-30", "older", "than", "hair", "purple",
    "teenager", "klein", "o'clock", "shadow", "of", "aged", "80s", "person", "who", "is", "isn't", "wearing",
)  # fmt: skip
WHOLE = re.compile(r"=(-?\d+)\.0 is")
ADVICE = (  # what the library says to people at a command line, and the page does not
    " With `pip install 'condgen[words]'`, words of near meaning are guessed.",
    ", or allow extrapolation (`extrapolate=True`)",
    ", or give both ends and allow extrapolation (`extrapolate=True`)",
)


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files of a model that is asked, but not sampled."""
    folder, n = tmp_path_factory.mktemp("asking"), 2_000
    generator = torch.Generator().manual_seed(0)
    values = {
        a.name: a.uniform(torch.rand(n, *a.shape, generator=generator))
        for a in PEOPLE
        if a.name not in ("age", "digit")
    }
    values["age"] = (80 * torch.rand(n, generator=generator)).round()
    values["digit"] = torch.randint(9, (n,), generator=generator).float()  # no 9
    present = torch.rand(n, len(PEOPLE), generator=generator) < 0.9
    joint = LabelDistribution.of(Condition(PEOPLE, values, present))
    header = {"kind": "one-pass", "schema": PEOPLE.model_dump(mode="json"), "conditional": True, "functions": {}}
    (folder / "model").mkdir()
    (folder / "model" / "header.json").write_text(json.dumps(header), encoding="utf-8")
    (folder / "model" / "words.json").write_text(json.dumps(words(PEOPLE)), encoding="utf-8")
    arrays = {name: tensor.contiguous() for name, tensor in stored(joint).items()}
    (folder / "model" / "joint.safetensors").write_bytes(save(arrays))
    return folder


def joint_of(folder: Path) -> LabelDistribution:
    return restored(PEOPLE, load_file(folder / "model" / "joint.safetensors"))


SHAPES = (
    ("uniform", (3, 2)),
    ("normal", (5,)),
    ("normal", (4,)),
    ("normal", (40,)),
    ("normal", (1, 8, 8)),
    ("uniform", (700,)),
)


@pytest.mark.parametrize("seed", [0, 7, 2**32 + 5, int(Stream.CONDITION) + 3, int(Stream.EXCLUDED) + 2**39])
def test_random_streams_are_the_same(in_node: Asked, asking: Path, seed: int) -> None:
    (drawn,) = in_node(asking, {"what": "draws", "seed": seed, "shapes": SHAPES})
    rng = NumpyRng([seed])
    for (kind, shape), found in zip(SHAPES, drawn, strict=True):
        wanted = to_numpy(getattr(rng, kind)(*shape)).ravel()
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6 if kind == "normal" else 0)


def library(asked: Any) -> Any:
    """A request as the library understands it, or its error."""
    try:
        found = parse_requests(asked, PEOPLE) if asked else []
    except RequestError as error:
        text = str(error)
        for advice in ADVICE:
            text = text.replace(advice, "")
        return " ".join([WHOLE.sub(r"=\1 is", text), " ".join(error.words)])
    terms = [{n: c.term(PEOPLE[n]) for n, c in each.constraints.items()} for each in found]
    return [[each.text, each.asked, list(each.notes), t] for each, t in zip(found, terms, strict=True)] or [
        ["anything", "", [], {}]
    ]


def test_values_in_quotes_are_understood_the_same(in_node: Asked, asking: Path) -> None:
    texts = [
        'shape="round, large"', 'Male=yes shape = "round, large" | 5" wide ; age="30"', 'shape!="a|b" digit="3"|4',
        'shape="""so, called"""', 'shape="see x=1" Young=no', 'shape="*"', 'shape="round, lage"', "shape=*",
        'shape="round',
    ]  # fmt: skip
    found = in_node(asking, *({"what": "requests", "asked": each} for each in texts))
    assert found == [json.loads(json.dumps(library(each))) for each in texts]


def test_requests_are_understood_the_same(in_node: Asked, asking: Path) -> None:
    """Phrases and terms, right and wrong ones, and many at random."""
    chosen = random.Random(0)
    made = [" ".join(chosen.choices(WORDS, k=chosen.randint(1, 6))) for _ in range(150)]
    asked = [*PHRASES, *MAPPINGS, *made]
    found = in_node(asking, *({"what": "requests", "asked": each} for each in asked))
    different = []
    for each, answer in zip(asked, found, strict=True):
        wanted = json.loads(json.dumps(library(each)))
        refused = [isinstance(text, str) for text in (wanted, answer)]
        own_words = all(refused) and (
            isinstance(each, dict) or "emb" in each
        )  # the page reads no files, and writes JSON
        different += [] if own_words or answer == wanted else [(each, wanted, answer)]
    assert different == []
    assert sum(isinstance(answer, list) for answer in found) > 60


ASKED = (
    "",
    "color=red",
    "color!=red, age=20..30",
    "price=1000..5000",
    "price=50",
    "age=33.3",
    "digit=9",
    "emb=0.5 5.1",
)


@pytest.mark.parametrize("fill", [True, False])
def test_free_attributes_are_drawn_the_same(in_node: Asked, asking: Path, fill: bool) -> None:
    tasks = [{"what": "conditions", "asked": each, "seed": 5, "n": 12, "fill": fill} for each in ASKED]
    joint = joint_of(asking)
    for asked, found in zip(ASKED, in_node(asking, *tasks), strict=True):
        constraints = parse_requests(asked, PEOPLE)[0].constraints if asked else {}
        wanted = joint.draw(constraints, Stream.CONDITION.rng(np.arange(5, 17)), fill)  # type: ignore[arg-type]
        assert found == wanted.rows(), asked


def test_examples_are_counted_the_same(in_node: Asked, asking: Path) -> None:
    joint = joint_of(asking)
    labels = Labels(joint.rows, joint.counts, exact=True)
    found = in_node(asking, *({"what": "fitting", "asked": each} for each in ASKED[1:]))
    assert found == [labels.fitting(parse_requests(each, PEOPLE)[0]) for each in ASKED[1:]]
    assert 0 in found
    assert max(found) > 100


# ---- samples

Exported = Callable[[Run, str], Path]
LEVEL = 1 / 255
GUIDED: tuple[dict[str, Any], ...] = (
    {"guidance": 2.0, "steps": 3},
    {"guidance": 0.0, "steps": 3},
    {"guidance": {"row": 3.0}, "steps": 3, "interval": (0.2, 0.8), "sampler": "heun"},
    {"compose": True, "steps": 3, "sampler": "euler"},
    {"compose": True, "guidance": {"row": 2.0}, "steps": 3, "interval": (0.2, 0.8)},
    {"steps": 3, "sampler": "dpm", "free": True},
    {"steps": 4, "sampler": "dopri"},
)
FAMILIES: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "gan": ("cgan", VECTOR, {"mechanism": "modulate"}),
    "cvae": ("cvae", IMAGE, {"prior": "gaussian", "embedding": 8}),
    "cvae-flow": ("cvae", IMAGE, {"prior": "flow", "embedding": 8}),
    "flow": ("flow", VECTOR, {"steps": 4}),
    "vp": ("flow", VECTOR, {"steps": 3, "path": "vp"}),
    "meanflow": ("meanflow", IMAGE, {"steps": 2}),
    "vae": ("vae", IMAGE, {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_samples_edits_and_interpolations_are_the_run_s(exported: Exported, in_node: Asked, name: str) -> None:
    family, shape, arguments = FAMILIES[name]
    run = untrained(family, shape, **arguments)
    wanted = [*sampled(run), *edited(run), *interpolated(run)]
    for (task, samples), found in zip(wanted, in_node(exported(run, name), *(task for task, _ in wanted)), strict=True):
        assert np.abs(np.array(found["x"]) - to_numpy(samples.x).ravel()).max() < LEVEL / 10, task
        assert found["rows"] == samples.condition.rows(), task
        assert found["seeds"] == samples.seeds.tolist(), task


@pytest.mark.slow
def test_ends_that_leave_other_attributes_free_are_refused(exported: Exported, in_node: Asked) -> None:
    run = untrained(*FAMILIES["cvae"][:2], **FAMILIES["cvae"][2])
    task = {"what": "refused", "from": "row=top", "to": "row=top, bright=yes", "how": {"free": True}}
    (said,) = in_node(exported(run, "cvae"), task)
    with pytest.raises(RequestError) as refused:
        run.interpolate("row=top", "row=top, bright=yes", 3, sampling=SamplingOptions(free=True))
    assert said == f"RequestError: {refused.value}".replace("`", "'")


Task = tuple[dict[str, Any], Samples]  # a task, and the run's own samples


def sampled(run: Run) -> Iterator[Task]:
    asked = ["", "row=top", "row!=top, tone=-1..2"] if run.model.conditional else [""]
    for how in [{}, *(GUIDED if isinstance(run.model, Guided) else ())]:
        for each in asked:
            (samples,) = run.stream(run.requests([each] if each else []), 4, 7, sampling=SamplingOptions(**how))
            yield {"what": "sample", "asked": each, "n": 4, "seed": 7, "how": how}, samples


def edited(run: Run) -> Iterator[Task]:
    if kind_of(run.model) == "one-pass" or not run.model.conditional:  # an exported one cannot edit
        return
    (source,), (change,) = run.requests("row=top"), run.requests("row=bottom")
    (samples,) = run.stream([source], 2, 1)
    x = {"x": to_numpy(samples.x).ravel().tolist(), "shape": list(samples.x.shape)}
    for strength in (None, 2.0, *(["auto"] if len(run.shape) == 3 else [])):
        how = EditOptions(strength=strength) if strength else None  # type: ignore[arg-type]
        task = {"what": "edit", **x, "source": source.text, "change": change.text, "strength": strength}
        yield task, run.edit(samples.x, run.stated(source, 2), change, editing=how)
    if len(run.shape) == 3:
        mask = np.linspace(0, 1, math.prod(run.shape[1:]), dtype=np.float32).reshape(run.shape[1:])
        masked = run.edit(samples.x, run.stated(source, 2), change, mask=mask)
        yield task | {"strength": None, "mask": mask.tolist()}, masked


def interpolated(run: Run) -> Iterator[Task]:
    if isinstance(run.model, Edits) and run.model.conditional and len(run.shape) == 3:
        ends = {"from": "row=top", "to": "row=bottom", "n": 4, "seed": 1, "seedEnd": 2, "how": {}}
        yield {"what": "interpolate", **ends}, run.interpolate("row=top", "row=bottom", 4, 1, 2)
        if run.model.handles_missing:
            free = run.interpolate("row=top", "row=bottom", 4, 1, 2, SamplingOptions(free=True))
            yield {"what": "interpolate", **ends, "how": {"free": True}}, free
