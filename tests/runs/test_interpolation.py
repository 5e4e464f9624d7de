"""Interpolations between two samples: their ends are the samples, and the rest lies between them."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from condgen.arrays import to_numpy
from condgen.data import Splits
from condgen.errors import RequestError
from condgen.models import FAMILIES
from condgen.rng import NumpyRng, Rng
from condgen.runs import noise
from condgen.runs.answering import Answering
from condgen.runs.run import Run
from condgen.runs.samples import Samples
from condgen.runs.sampling import SamplingOptions
from condgen.runs.train import train
from condgen.runtime.generator import OnnxGenerator
from condgen.runtime.models import OnePass
from tests.export.untrained import IMAGE, VECTOR, untrained


@pytest.fixture(scope="module")
def gan(digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Run:
    small = {"channels": 8, "latent": 4, "previews": 0, "batch": 64}
    return train("cgan", digits, tmp_path_factory.mktemp("runs") / "gan", images=500, **small)


@pytest.fixture(params=["run", "gan", "flow", "exported"])
def anyone(request: pytest.FixtureRequest) -> Answering:
    found: Answering = request.getfixturevalue(request.param)
    return found


def one(of: Answering, asked: str, seed: int, **how: Any) -> np.ndarray:
    return to_numpy(of.sample(asked, n=1, seed=seed, **how).x)[0]


def test_its_ends_are_the_samples(anyone: Answering) -> None:
    way = anyone.interpolate("digit=3", "digit=8", n=4, seed=5, seed_end=7)
    x = to_numpy(way.x)
    assert len(way) == 4
    assert len({row.tobytes() for row in x}) == 4
    np.testing.assert_allclose(x[0], one(anyone, "digit=3", 5), atol=1e-5)
    np.testing.assert_allclose(x[-1], one(anyone, "digit=8", 7), atol=1e-5)
    assert [row["digit"] for row in way.condition.rows()] == ["3", None, None, "8"]
    assert way.seeds.tolist() == [5, 5, 7, 7]


SHAPES = {"image": IMAGE, "vector": VECTOR}


@pytest.mark.parametrize(("name", "shape"), [(n, SHAPES[kind]) for n in FAMILIES for kind in FAMILIES[n].suits])
def test_every_family_is_interpolated_with_any_attributes(name: str, shape: tuple[int, ...]) -> None:
    run = untrained(name, shape)
    (asked,) = run.requests()
    start, middle, end = run.interpolate(asked, asked, n=3, seed=1, seed_end=2).x
    apart = run.sample(n=2, seed=1).x
    torch.testing.assert_close(torch.stack([start, end]), apart, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(middle, start, atol=1e-4)
    assert not torch.allclose(middle, end, atol=1e-4)


def test_a_sample_interpolated_with_itself_stays_the_same(anyone: Answering) -> None:
    x = to_numpy(anyone.interpolate("digit=3", "digit=3", n=3, seed=5).x)
    np.testing.assert_allclose(x[1], x[0], atol=1e-4)


def test_guidance_acts_on_the_way_too(flow: Run) -> None:
    strong = flow.interpolate("digit=3", "digit=8", n=3, sampling=SamplingOptions(guidance=3))
    torch.testing.assert_close(strong.x[2:], flow.sample("digit=8", n=1, guidance=3).x, atol=1e-5, rtol=0)
    assert not torch.allclose(strong.x[1], flow.interpolate("digit=3", "digit=8", n=3).x[1], atol=1e-3)


def test_there_are_no_candidates_on_a_way(gan: Run) -> None:
    with pytest.raises(RequestError, match="leave out `best_of`"):
        gan.interpolate("digit=3", "digit=8", n=3, sampling=SamplingOptions(best_of=2))


@pytest.mark.parametrize("how", [SamplingOptions(free=True), SamplingOptions(compose=True)])
def test_attributes_are_left_free_at_both_ends_if_asked(how: SamplingOptions) -> None:
    run = untrained("flow")
    one, other = (f"{run.schema.attributes[0].name}={value}" for value in run.schema.attributes[0].choices[:2])
    way = run.interpolate(one, other, n=3, seed=1, sampling=how)
    apart = [run.sample(asked, n=1, seed=1, free=how.free, compose=how.compose) for asked in (one, other)]
    assert [way.condition[k : k + 1].rows() for k in (0, 2)] == [each.condition.rows() for each in apart]
    torch.testing.assert_close(way.x[[0, 2]], torch.cat([each.x for each in apart]), atol=1e-4, rtol=1e-4)
    with pytest.raises(RequestError, match=r"One end leaves .* free and the other does not"):
        run.interpolate(one, "anything", n=3, sampling=how)


def test_a_guide_goes_the_same_way() -> None:
    run, guide = untrained("flow"), untrained("flow", channels=8).model
    one, other = run.requests([f"{run.schema.attributes[0].name}={v}" for v in run.schema.attributes[0].choices[:2]])
    how = SamplingOptions(guide=guide, guidance=3.0)
    way = run.interpolate(one, other, n=3, seed=1, sampling=how)
    ends = [Samples.cat(list(run.stream([each], 1, 1, sampling=how))).x for each in (one, other)]
    torch.testing.assert_close(way.x[[0, 2]], torch.cat(ends), atol=1e-4, rtol=1e-4)


def test_the_run_itself_is_as_before(run: Run) -> None:
    before, encoder = run.sample("digit=3", n=2).x, run.model.condition_encoder  # type: ignore[union-attr]
    run.interpolate("digit=3", "digit=8", n=3)
    assert run.model.condition_encoder is encoder  # type: ignore[union-attr]
    torch.testing.assert_close(run.sample("digit=3", n=2).x, before)


def test_the_way_of_an_exported_model_is_that_of_its_run(run: Run, exported: OnnxGenerator) -> None:
    ours, theirs = (to_numpy(each.interpolate("digit=3", "digit=8", n=5, seed_end=2).x) for each in (run, exported))
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_several_requests_and_single_samples_are_no_way(run: Run) -> None:
    with pytest.raises(RequestError, match="10 requests"):
        run.interpolate("digit=*", "digit=3")
    with pytest.raises(RequestError, match="2 or more"):
        run.interpolate("digit=1", "digit=3", n=1)


def test_a_file_with_a_whole_network_alone_has_no_encodings(exported: OnnxGenerator) -> None:
    whole = copy.copy(exported)
    whole.model = OnePass(exported.header, exported.schema, exported.model._session, "")
    whole.sample("digit=3", n=1)
    with pytest.raises(RequestError, match="holds no encodings"):
        whole.interpolate("digit=1", "digit=3")


# ---- noise


@pytest.mark.parametrize("array", [np.array, torch.tensor])
def test_noise_between_two_noises_is_noise_and_has_them_at_its_ends(array: Any) -> None:
    of = NumpyRng if array is np.array else Rng
    one, other = range(500), range(1_000, 1_500)
    start, half, end = (
        to_numpy(noise.between(array([*one]), array([*other]), [share] * 500).normal(20)) for share in (0, 0.5, 1)
    )
    np.testing.assert_allclose(start, to_numpy(of(one).normal(20)), atol=1e-6)
    np.testing.assert_allclose(end, to_numpy(of(other).normal(20)), atol=1e-6)
    assert abs(half.std() - 1) < 0.03


def test_uniform_noise_is_that_of_the_nearer_end() -> None:
    seeds = torch.tensor([1, 1])
    found = noise.between(seeds, seeds + 1, [0.4, 0.6]).uniform(3)
    torch.testing.assert_close(found, torch.cat([Rng([1]).uniform(3), Rng([2]).uniform(3)]))


def test_only_the_first_noise_is_changed() -> None:
    streams, plain = noise.changed(torch.tensor([4]), lambda x: x + 1), Rng([4])
    torch.testing.assert_close(streams.normal(3), plain.normal(3) + 1)
    torch.testing.assert_close(streams.normal(3), plain.normal(3))
