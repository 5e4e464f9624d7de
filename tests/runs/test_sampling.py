"""How a run is asked to sample: what is passed on to a guided model, and what is refused in a sentence."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from condgen.data import Splits, load
from condgen.errors import RequestError
from condgen.models import Flow
from condgen.models.flow.guidance import Guidance
from condgen.rng import Rng
from condgen.runs.run import Run
from condgen.runs.samples import Samples
from condgen.runs.sampling import SamplingOptions
from condgen.runs.train import train
from condgen.schema import Condition
from tests.conftest import FLOW

ASKED = "side=west, far=yes"


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A hardly trained flow of vectors with attributes of every kind."""
    return train("flow", load("mixture"), tmp_path_factory.mktemp("runs") / "mixture", images=2_000, **FLOW)


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same, trained even less and smaller: a guide."""
    small = FLOW | {"channels": 4}
    return train("flow", load("mixture"), tmp_path_factory.mktemp("runs") / "weak", images=500, **small)


def complaint(call: Callable[[], object], *parts: str) -> None:
    with pytest.raises(RequestError) as caught:
        call()
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def made(run: Run, asked: Any = ASKED, n: int = 4, **how: Any) -> Tensor:
    return run.sample(asked, n=n, **how).x


# ---- what is passed on


def test_every_option_changes_the_samples(mixture: Run, weak: Run) -> None:
    plain, strong = made(mixture), made(mixture, guidance=3.0)
    assert not torch.allclose(plain, strong, atol=1e-3)
    for other in (
        made(mixture, steps=1),
        made(mixture, sampler="euler"),
        made(mixture, guidance=3.0, interval=(0.0, 0.4)),
        made(mixture, guidance=3.0, guide=weak.model),
        made(mixture, compose=True),
        made(mixture, guidance={"side": 3.0}),
    ):
        assert not torch.allclose(other, plain, atol=1e-4)
        assert not torch.allclose(other, strong, atol=1e-4)


def test_what_is_not_said_is_as_the_model_was_built(mixture: Run) -> None:
    as_built = {"guidance": 1.0, "steps": FLOW["steps"], "sampler": "heun", "compose": False}
    assert torch.equal(made(mixture, **as_built), made(mixture))
    assert torch.equal(made(mixture, guidance=3.0, interval=(0.0, 1.0)), made(mixture, guidance=3.0))


@pytest.mark.parametrize("how", [{}, {"guidance": 1.0}, {"guidance": {"side": 1.0}}], ids=str)
def test_what_only_guidance_would_use_is_refused_without_any(mixture: Run, weak: Run, how: dict[str, Any]) -> None:
    for name, value in {"interval": (0.2, 0.8), "guide": weak.model}.items():
        complaint(lambda n=name, v=value: made(mixture, **how, **{n: v}), f"setting {name}", "set `guidance=2`")
    assert made(mixture, compose=True, interval=(0.2, 0.8)).isfinite().all()


def test_a_models_own_guidance_holds_unless_a_call_says_otherwise(mixture: Run) -> None:
    flow = mixture.model
    assert isinstance(flow, Flow)
    plain, strong = made(mixture), made(mixture, guidance=3.0)
    flow.guidance = Guidance(3.0)
    try:
        assert torch.equal(made(mixture), strong)
        assert torch.equal(made(mixture, guidance=1.0), plain)
    finally:
        flow.guidance = Guidance(1.0)


@pytest.mark.parametrize(
    ("text", "meant"), [("2", 2.0), ("side=3", {"side": 3.0}), ("side=3, far=0", {"side": 3.0, "far": 0.0})]
)
def test_guidance_may_be_text(mixture: Run, text: str, meant: Any) -> None:
    assert torch.equal(made(mixture, guidance=text), made(mixture, guidance=meant))


def test_unconditional_is_what_a_request_for_another_class_gives_too(mixture: Run) -> None:
    assert torch.allclose(made(mixture, "side=west", guidance=0), made(mixture, "side=east", guidance=0), atol=1e-5)


@pytest.mark.parametrize(
    "how",
    [
        {"guidance": 2.0},
        {"guidance": {"side": 3.0, "far": 0.5}, "interval": (0.2, 0.8), "steps": 3},
        {"guidance": 2.0, "sampler": "dopri"},
        {"compose": True, "sampler": "dpm"},
    ],
    ids=str,
)
def test_a_seed_gives_the_same_sample_whatever_the_batch_size(mixture: Run, how: dict[str, Any]) -> None:
    """A request that excludes several values moves each seed away from one of them, in any batch."""
    asked = mixture.requests([ASKED, "side!=west|east, far=yes"])
    whole, *others = (
        Samples.cat(list(mixture.stream(asked, 5, seed=3, batch=size, sampling=SamplingOptions(**how))))
        for size in (5, 2, 1)
    )
    for other in others:
        torch.testing.assert_close(other.x, whole.x, rtol=0, atol=1e-4)
        assert other.condition.rows() == whole.condition.rows()


# ---- what a request excludes


@pytest.fixture
def contrasts(monkeypatch: pytest.MonkeyPatch) -> list[Condition | None]:
    """What samples are to move away from, call by call."""
    seen: list[Condition | None] = []

    def sample(self: Flow, condition: Condition, rng: Rng, *, guidance: Guidance, **how: object) -> Tensor:
        seen.append(guidance.against)
        return torch.zeros(len(condition), *self.shape)

    monkeypatch.setattr(Flow, "sample", sample)
    return seen


def test_an_excluded_value_is_what_guidance_moves_away_from(mixture: Run, contrasts: list[Condition | None]) -> None:
    mixture.sample(["side!=west, far=yes", "side=west", "far=no"], n=3, guidance=2.0)
    first, *others = contrasts
    assert first is not None
    assert first.rows() == [{"side": "west", "far": None, "angle": None}] * 3
    assert others == [None, None]


def test_of_several_excluded_values_each_sample_moves_away_from_one(
    flow: Run, contrasts: list[Condition | None]
) -> None:
    flow.sample("digit!=3|8", n=60, guidance=2.0)
    (contrast,) = contrasts
    assert contrast is not None
    assert {row["digit"] for row in contrast.rows()} == {"3", "8"}


def test_moving_away_from_an_excluded_value_changes_samples(mixture: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    excluding = made(mixture, "side!=west", guidance=3.0)
    monkeypatch.setattr(Run, "_unwanted", lambda self, parts: None)
    assert not torch.allclose(made(mixture, "side!=west", guidance=3.0), excluding, atol=1e-3)


# ---- what is refused


@pytest.mark.parametrize(
    ("how", "parts"),
    [
        ({"guidence": 2.0}, ["option of sampling", "'guidence'", "guidance"]),
        ({"step": 3}, ["'step'", "steps"]),
        ({"guidance": {"sides": 2.0}}, ["'sides'", "side"]),
        ({"guidance": "sides=2"}, ["'sides'", "side"]),
        ({"guidance": "much"}, ["'much'", "a number"]),
        ({"sampler": "huen"}, ["'huen'", "heun"]),
        ({"steps": 0}, ["at least 1", "0"]),
        ({"interval": (-0.1, 0.5)}, ["0.2..0.8", "-0.1"]),
        ({"interval": (0.5, 1.5)}, ["0.2..0.8", "1.5"]),
        ({"interval": (0.8, 0.2)}, ["0.2..0.8"]),
        ({"interval": (0.5, 0.5)}, ["0.2..0.8"]),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(mixture: Run, how: dict[str, Any], parts: list[str]) -> None:
    complaint(lambda: mixture.sample(ASKED, **how), *parts)


def test_a_guide_must_be_of_the_models_kind_shape_and_attributes(mixture: Run, flow: Run, points: Run) -> None:
    for other in (flow, points):
        complaint(lambda guide=other.model: mixture.sample(ASKED, guidance=2.0, guide=guide), "cannot guide")


@pytest.mark.parametrize(
    "how", [{"guidance": 2.0}, {"steps": 4}, {"sampler": "heun"}, {"interval": (0.2, 0.8)}, {"compose": True}], ids=str
)
def test_a_model_that_is_not_guided_takes_none_of_it(points: Run, how: dict[str, Any]) -> None:
    complaint(lambda: points.sample(ASKED, **how), "cvae", "no guidance, steps or sampler", "model='flow'")


@pytest.mark.parametrize(("how", "part"), [({"compose": True}, "combined"), ({"guidance": "side=2"}, "one weight")])
def test_a_guide_goes_with_neither_composition_nor_weights_per_attribute(
    mixture: Run, weak: Run, how: dict[str, Any], part: str
) -> None:
    complaint(lambda: mixture.sample(ASKED, guide=weak.model, **how), part)


@pytest.mark.parametrize(
    "how",
    [
        {"guidance": "much"},
        {"steps": 0},
        pytest.param({"compose": True, "guidance": 2.0}),
    ],
    ids=str,
)
def test_it_is_refused_before_anything_is_generated(mixture: Run, weak: Run, how: dict[str, Any]) -> None:
    sampling = SamplingOptions(guide=weak.model, **how)
    complaint(lambda: mixture.stream(mixture.requests(ASKED), 4, sampling=sampling))


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), "nan", "side=-inf"])
def test_guidance_is_a_finite_number(mixture: Run, weight: float | str) -> None:
    complaint(lambda: mixture.sample(ASKED, guidance=weight), "finite")


# ---- a flow within a variational autoencoder


def test_a_flow_prior_is_guided_where_it_has_learned_nulls(digits: Splits, tmp_path_factory: Any) -> None:
    small: dict[str, Any] = {"channels": 4, "latent": 2, "previews": 0, "images": 200, "prior": "flow"}
    nulls = train("cvae", digits, tmp_path_factory.mktemp("runs") / "nulls", embedding=8, **small)
    plain, strong = made(nulls, "digit=3"), made(nulls, "digit=3", guidance=5.0, steps=3, sampler="euler")
    assert not torch.allclose(plain, strong, atol=1e-4)
    without = train("cvae", digits, tmp_path_factory.mktemp("runs") / "none", **small)
    complaint(lambda: without.sample("digit=3", guidance=2.0), "cvae", "embedding=64")


def test_composition_predicts_what_is_asked_for_and_nothing_that_was_filled_in(mixture: Run) -> None:
    assert not mixture.sample("side=west", n=2, compose=True).condition.complete
    assert mixture.sample("side=west", n=2, guidance=2).condition.complete
