"""Headline, findings and remedies contradict neither each other nor the run, whatever was measured."""

import math
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condgen.evaluation.doctor import diagnose
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.metrics.artefacts import Artefacts, Pattern
from condgen.evaluation.metrics.attribute_obedience import AttributeObedience
from condgen.evaluation.metrics.counterfactuals import Leakage
from condgen.evaluation.metrics.critic import KnownAttribute, KnownLabels
from condgen.evaluation.metrics.distances import Distances
from condgen.evaluation.metrics.edits import Edited, Edits, Moved
from condgen.evaluation.metrics.estimate import Estimate, difference, wilson
from condgen.evaluation.metrics.extremes import End, Extremes
from condgen.evaluation.metrics.feature_sets import Fidelity, Within
from condgen.evaluation.metrics.latents import LatentSummary
from condgen.evaluation.metrics.memorisation import Memorisation
from condgen.evaluation.metrics.obedience import Obedience
from condgen.evaluation.metrics.rare import Rare, RareObedience
from condgen.evaluation.metrics.registry import measured
from condgen.evaluation.metrics.requests import RequestObedience
from condgen.evaluation.verdict import MOSTLY, OBEYED, UNKNOWN, headline, verdict
from condgen.export.weights import WEIGHTS
from condgen.messages import Mention, spelled
from condgen.models import FAMILIES
from condgen.models.complaint import CLASSIFIER, OVERPOWERING, Complaint
from condgen.models.remedies import REMEDIES, TrainedAs
from condgen.parameters import keyword_arguments, validated
from condgen.runs.editing import EditOptions
from condgen.training import TrainingConfig
from tests.evaluation.test_doctor import attribute, case, faithful, obeying, sure

UNSAID = re.compile(r"\bnan\b|\binf(inity)?\b|-0(\.0*)?(?![\d.]|e-)", re.IGNORECASE)
shares = st.one_of(st.floats(0, 1), st.sampled_from([0.0, -0.0, 0.98, 1.0, math.nan]))
numbers = st.one_of(st.floats(-9, 9), st.sampled_from([-0.0, -1e-9, math.nan, math.inf, -math.inf]))
ratios = st.floats(0, 2) | st.just(math.nan)


def near(value: float, width: float) -> Estimate:
    """As `share` gives them: of nothing, everything is possible."""
    ends = (0.0, 1.0) if math.isnan(value) else (max(value - width, 0.0), min(value + width, 1.0))
    return Estimate(value, *ends)


estimates = st.builds(near, shares, st.floats(0, 0.1))
errors = st.builds(Estimate, st.floats(0, 9) | st.just(math.nan), numbers, numbers)
counts = st.integers(0, 100)
confusions = st.tuples(st.tuples(counts, counts), st.tuples(counts, counts))
BUILDERS = {name: family.builder for name, family in FAMILIES.items()}  # imported here, not while drawing
ACCEPTED = {name: keyword_arguments(builder) for name, builder in BUILDERS.items()}
ARGUMENTS: dict[str, list[Any]] = {
    "mechanism": ["film", "concat"],
    "embedding": [0, 8, 64, 128],
    "prior": ["standard", "flow"],
    "guidance": [1.0, 2.0],
    "generator_weight": [0.0, 0.1, 1.0],
    "r1": [0.0, 0.1, 1.0, 5.0],
    "beta": [0.2, 1.0],
    "outputs": ["pixels", "deblocked", "spectrum"],
    "augment": [(), ("translation",), ("cutout",)],
    "condition_dropout": [0.0, 0.1],
}


@st.composite
def runs(draw: st.DrawFn) -> TrainedAs:
    name = draw(st.sampled_from(list(BUILDERS)))
    accepted = ACCEPTED[name]
    given_ = {key: draw(st.sampled_from(values)) for key, values in ARGUMENTS.items() if key in accepted}
    if accepted.get("embedding"):  # families with an embedding have one always
        given_["embedding"] = max(given_["embedding"], 8)
    return TrainedAs(name, {key: value for key, value in given_.items() if draw(st.booleans())})


@st.composite
def obediences(draw: st.DrawFn) -> Obedience:
    parts = tuple(draw(attributes(f"a{k}")) for k in range(draw(st.integers(1, 3) | st.integers(1, 40))))
    names = tuple(a.name for a in parts[:3])
    row = st.tuples(*[shares] * len(names))
    table = st.tuples(*[row] * len(names))
    leakage = Leakage(names, draw(table), draw(row), draw(table)) if draw(st.booleans()) else None
    return Obedience(parts, draw(estimates), draw(estimates), leakage=leakage)


@st.composite
def combined(draw: st.DrawFn, names: list[str]) -> RareObedience:
    """A combination of some attributes, with a gap as `difference` gives it."""
    some = tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)))
    made, real, m, n = draw(shares), draw(shares), draw(st.integers(1, 500)), draw(st.integers(1, 500))
    return RareObedience(
        request=", ".join(f"{name}=yes" for name in some),
        names=some,
        made=wilson(made, m),
        real=wilson(real, n),
        gap=difference(real, n, made, m, draw(st.sampled_from([2.0, 3.5]))),
        usual=draw(st.floats(0, 1)),
        weakest=some[0],
        weakest_made=draw(shares),
        weakest_real=draw(shares),
        samples=m,
        examples=n,
    )


@st.composite
def rarities(draw: st.DrawFn, obedience: Obedience) -> Rare:
    names = [a.name for a in obedience.attributes]
    return Rare(draw(st.lists(combined(names), max_size=4).map(tuple)), draw(st.sampled_from([0, 3])), 100)


@st.composite
def attributes(draw: st.DrawFn, name: str) -> AttributeObedience:
    a_number = draw(st.booleans())
    kind = errors if a_number else estimates
    asked, real = draw(kind), draw(kind)
    better, worse = (real, asked) if a_number else (asked, real)
    of_values: dict[str, Any] = {
        "confidence": draw(st.none() | numbers),
        "real_confidence": draw(st.none() | numbers),
        "confusion": draw(confusions),
        "real_confusion": draw(confusions),
    }
    number: dict[str, Any] = {
        "choices": (),
        "confidence": None,
        "real_confidence": None,
        "confusion": (),
        "real_confusion": (),
    }
    return attribute(
        name=name,
        asked=asked,
        real=real,
        relative=better.value / worse.value if worse.value else math.nan,
        chance=draw(numbers if a_number else shares),
        swap=draw(st.none() | estimates),
        **(number if a_number else of_values),
    )


distances = st.builds(
    Distances, st.just(2_000), estimates, estimates, estimates, estimates, estimates, estimates, ratios
)
within = st.builds(Within, st.sampled_from(["a0=0", "a0=1"]), distances, distances)
fidelities = st.builds(
    Fidelity, st.just("judge"), distances, distances, st.lists(within, max_size=3).map(tuple), *[shares] * 8
)
memorisations = st.builds(Memorisation, *[estimates] * 5)
prominences = st.builds(Estimate, st.floats(0, 99) | st.just(math.nan), numbers, numbers)
patterns = st.builds(
    Pattern, st.sampled_from([2, 4]), st.sampled_from(["across", "diagonal"]), prominences, prominences
)
artefacts = st.builds(Artefacts, counts, st.lists(patterns, min_size=1, max_size=6).map(tuple))
latents = st.builds(
    LatentSummary,
    st.just("a0"),
    *[st.floats(0, 1)] * 5,
    st.lists(st.floats(0, 5), max_size=3).map(tuple),
    st.integers(0, 2),
    st.just(3),
)
asked = st.builds(RequestObedience, st.just("a 7"), estimates, estimates, counts, counts, counts)
moved = st.builds(Moved, st.dictionaries(st.sampled_from("ab"), estimates), *[estimates] * 3)
edited = st.builds(
    Edited,
    st.just("a0"),
    st.sampled_from(["categorical", "continuous"]),
    st.just("0"),
    counts,
    *[errors] * 3,
    moved,
    errors,
)
edits = st.builds(Edits, st.just(EditOptions()), counts, st.just("judge"), moved, st.lists(edited).map(tuple))
ends = st.builds(
    End,
    st.sampled_from(["lowest", "highest"]),
    st.floats(0, 9),
    numbers,
    errors,
    numbers,
    errors,
    errors,
    numbers,
    counts,
    counts,
)
extremes = st.builds(Extremes, st.just("a0"), st.lists(ends, max_size=2).map(tuple), numbers, numbers)
known = st.builds(KnownAttribute, st.sampled_from(["a0", "a1"]), estimates, estimates)
labels = st.builds(KnownLabels, st.lists(known, max_size=2).map(tuple))
losses = st.lists(numbers, max_size=6).map(lambda values: [{"validation/loss": v} for v in values])
DISOBEDIENT = {"missed combinations", "ignored condition", "missed values", "permuted values", "missed requests"}
COMPLAINTS = (Complaint(OVERPOWERING, "The critic always wins."), Complaint(CLASSIFIER, "It is right about its own."))


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    trained = draw(runs())
    results = {
        "obedience": (obedience := draw(obediences())),
        "rare": draw(st.none() | rarities(obedience)),
        "fidelity": (draw(fidelities),),
        "artefacts": draw(st.none() | artefacts),
        "memorisation": draw(memorisations),
        "latents": draw(st.none() | latents),
        "asked": draw(st.lists(asked, max_size=2).map(tuple)),
        "edits": draw(st.none() | edits),
        "extremes": draw(st.lists(extremes, max_size=1).map(tuple)),
        "critic": draw(st.none() | labels),
    }
    complaints = draw(st.lists(st.sampled_from(COMPLAINTS), max_size=3))
    guidance = draw(st.sampled_from([1.0, 2.0, 4.0]))
    epochs = draw(st.floats(0, 100) | st.just(math.inf))
    return Evidence(results, draw(losses), complaints, guidance, epochs, trained)


def mentions(text: str) -> list[Mention]:
    found: list[Mention] = []
    spelled(text, lambda each: found.append(each))
    return found


def applies(f: Finding, evidence: Evidence) -> None:
    """Every setting that a remedy mentions is of the family, of training, sampling or export, and would differ."""
    builder, present = FAMILIES[evidence.trained.family].builder, evidence.trained.in_effect
    for each in mentions(f.advice):
        for name in each.arguments if not each.verb else ():
            assert name in keyword_arguments(TrainingConfig), f.advice
        for name, value in each.settings.items():
            if name == "model":
                assert value in FAMILIES
                assert value != evidence.trained.family
            elif name == "guidance":
                assert evidence.trained.guided
                assert value != evidence.guidance
            elif name in keyword_arguments(TrainingConfig):
                assert validated(TrainingConfig, {name: value}), f.advice
            elif name in keyword_arguments(WEIGHTS.write):
                assert (name, present["outputs"]) == ("deblock", "pixels")
            else:
                assert validated(builder, {name: value})[name] != present.get(name), f.advice


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # which checks of types do, and nothing drawn
@settings(max_examples=30, deadline=None)
@given(evidences())
def test_nothing_that_is_said_contradicts_the_rest_or_the_run(evidence: Evidence) -> None:
    trained = evidence.trained
    evidence = replace(
        evidence,
        complaints=evidence.complaints if trained.adversarial else (),
        guidance=evidence.guidance if trained.guided else 1.0,
    )
    found, obedience, rare = diagnose(evidence), evidence.results["obedience"], evidence.results["rare"]
    said = headline(obedience, evidence.trained.family, rare)
    assert said.startswith(verdict(obedience, rare))
    assert verdict(obedience, rare) in (OBEYED, UNKNOWN) or any(f.grave for f in found)
    assert {f.name for f in found}.isdisjoint(DISOBEDIENT) or verdict(obedience, rare) != OBEYED
    assert verdict(obedience, rare) != OBEYED or not any("of samples are as asked" in f.evidence for f in found)
    least = rare.worst(obedience) if rare else None
    assert verdict(obedience, rare) == UNKNOWN or (least is None or least.request in said)
    assert "missed combinations" not in {f.name for f in found} or (least is not None and least.request in said)
    assert len(set(found)) == len(found)
    numbers_said = [line for metric, result in measured(evidence.results) for line in metric.lines(result)]
    for text in [said, obedience.summary, *numbers_said, *(f"{f.evidence} {f.advice}" for f in found)]:
        assert not UNSAID.search(text), text
    for finding in found:
        applies(finding, evidence)


def missing(evidence: Evidence, name: str) -> str:
    return next(f.advice for f in diagnose(evidence) if f.name == name)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_remedies_are_the_familys_own(family: str) -> None:
    evidence = case(obedience=obeying(attribute(swap=sure(0.5), asked=sure(0.5))), trained=TrainedAs(family))
    advice = missing(evidence, "ignored condition")
    assert f"'{family}'" not in advice
    assert "mechanism='film'" not in advice or family == "infogan"  # whose own is another
    assert "guidance" not in advice
    for finding in diagnose(evidence):
        applies(finding, evidence)


@pytest.mark.parametrize("fault", REMEDIES)
@pytest.mark.parametrize("family", list(FAMILIES))
def test_warnings_in_training_advise_nothing_that_is_set(family: str, fault: str) -> None:
    trained = TrainedAs(family)
    for _ in range(4):  # each time the advice is followed
        advice = trained.against(Complaint(fault, "It is so."))
        applies(Finding(fault, "It is so.", advice), case(trained=trained))
        changes = {name: value for each in mentions(advice) for name, value in each.settings.items()}
        if not changes.keys() <= keyword_arguments(FAMILIES[family].builder).keys():
            return
        trained = replace(trained, arguments={**trained.arguments, **changes})


def test_many_attributes_are_spoken_of_one_by_one_and_the_worst_is_named() -> None:
    good = tuple(attribute(name=f"a{k}", relative=0.995) for k in range(39))
    for relative, least in ((0.97, OBEYED), (0.6, MOSTLY)):
        flags = Obedience((*good, attribute(name="hat", relative=relative)), sure(0.009), sure(0.01))
        assert verdict(flags) == least
        said = headline(flags, "flow")
        assert "at once" not in said
        assert "hat" in said
        assert any(f.grave for f in diagnose(case(obedience=flags))) == (least != OBEYED)


def test_a_value_that_is_missed_keeps_the_headline_from_praise() -> None:
    one = attribute(confusion=((20, 80), (1, 99)))
    assert [f.name for f in diagnose(case(obedience=obeying(one)))] == ["missed values"]
    assert verdict(obeying(one, joint=0.99)) == MOSTLY


def test_a_distance_that_is_infinitely_many_times_as_large_is_not_said_in_numbers() -> None:
    floor = faithful().floor
    far = faithful(overall=replace(floor, frechet=sure(1.0)), floor=replace(floor, frechet=sure(2e-309)))
    assert diagnose(case(fidelity=far, epochs=0.5)) == ()


def test_what_is_within_noise_of_real_data_is_no_disobedience() -> None:
    within, beyond = Estimate(0.576, 0.545, 0.606), Estimate(0.576, 0.566, 0.586)
    for joint, said in ((within, OBEYED), (beyond, MOSTLY)):
        assert verdict(Obedience((attribute(), attribute(name="price")), joint, sure(0.6))) == said
    few, many = Estimate(0.723, 0.602, 0.818), Estimate(0.723, 0.703, 0.742)
    for joint, found in ((few, []), (many, ["under-training"])):
        evidence = case(obedience=Obedience((attribute(),), joint, sure(0.856)), epochs=0.5, log=[])
        assert [f.name for f in diagnose(evidence)] == found


def test_an_ignored_attribute_keeps_the_headline_from_praise() -> None:
    ignored = attribute(name="hat", swap=sure(0.5))
    assert verdict(obeying(attribute(), joint=0.98)) == OBEYED
    assert verdict(obeying(attribute(), ignored, joint=0.98)) == MOSTLY


def test_disobedience_is_a_finding_even_where_nothing_explains_it() -> None:
    assert [f.name for f in diagnose(case(obedience=obeying(attribute(), joint=0.146)))] == ["missed requests"]


def test_the_same_confidence_is_no_clearer() -> None:
    narrow = case().results["fidelity"][0]
    narrow = replace(narrow, overall=replace(narrow.overall, recall=sure(0.5)))
    for made, real in ((-0.0, -0.01), (0.04, 0.01), (-1.0, -2.0)):
        clear = obeying(attribute(confidence=made, real_confidence=real))
        assert [f.name for f in diagnose(case(obedience=clear, fidelity=narrow))] == ["less varied than real data"]


def test_crowded_numbers_are_a_finding() -> None:
    text = "95 % of the values of 'price' lie within 0.05 % of its range: hard. Set low and high in the schema."
    (found,) = diagnose(case(crowding=[text]))
    assert (found.name, found.grave) == ("crowded numbers", True)
    assert found.evidence.endswith("hard.")
    assert found.advice == "Set low and high in the schema."
