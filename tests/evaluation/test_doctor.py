"""The doctor on cases made by hand; on generators with known faults see test_measure."""

from dataclasses import replace
from typing import Any

import pytest

from condgen.evaluation.doctor import diagnose
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.metrics.attribute_obedience import AttributeObedience
from condgen.evaluation.metrics.counterfactuals import Leakage
from condgen.evaluation.metrics.distances import Distances
from condgen.evaluation.metrics.estimate import Estimate
from condgen.evaluation.metrics.feature_sets import Fidelity, Within
from condgen.evaluation.metrics.latents import LatentSummary
from condgen.evaluation.metrics.memorisation import Memorisation
from condgen.evaluation.metrics.obedience import Obedience
from condgen.models.complaint import CLASSIFIER, OVERPOWERING, Complaint
from condgen.models.remedies import TrainedAs


def sure(value: float) -> Estimate:
    return Estimate(value, value - 0.01, value + 0.01)


GOOD = Distances(2_000, sure(2.0), sure(0.1), sure(0.9), sure(0.88), sure(1.0), sure(0.9), 1.0)


def attribute(**changes: Any) -> AttributeObedience:
    good = AttributeObedience(
        name="digit",
        kind="categorical",
        choices=("0", "1"),
        asked=sure(0.98),
        real=sure(0.99),
        relative=0.99,
        chance=0.5,
        swap=sure(0.99),
        confidence=6.0,
        real_confidence=6.0,
        confusion=((98, 2), (2, 98)),
        real_confusion=((99, 1), (1, 99)),
    )
    return replace(good, **changes)


def faithful(**changes: Any) -> Fidelity:
    within = tuple(Within(f"digit={k}", GOOD, GOOD) for k in "01")
    good = Fidelity("judge", GOOD, GOOD, within, 3.0, 3.0, 0.9, 0.9, 0.88, 0.88, 0.9, 0.9)
    return replace(good, **changes)


def case(
    obedience: Obedience | None = None,
    fidelity: Fidelity | None = None,
    latents: LatentSummary | None = None,
    **changes: Any,
) -> Evidence:
    """A good case, but for what is given."""
    nothing = Estimate(0.0, 0.0, 0.002)
    results = {
        "obedience": obedience or obeying(attribute()),
        "fidelity": (fidelity or faithful(),),
        "memorisation": Memorisation(nothing, nothing, sure(0.5), nothing, nothing),
        "latents": latents,
    }
    log = [{"images": k, "validation/loss": loss} for k, loss in enumerate((9.0, 5.0, 4.0, 3.99))]
    return replace(Evidence(results, log=log, epochs=20.0, trained=TrainedAs("flow")), **changes)


def named(found: Evidence) -> list[str]:
    return [f.name for f in diagnose(found)]


def test_a_good_case_has_no_findings() -> None:
    assert named(case()) == []


# ---- condition


def obeying(*attributes: AttributeObedience, joint: float = 0.98, leakage: Leakage | None = None) -> Obedience:
    return Obedience(attributes, sure(joint), sure(0.99), leakage=leakage)


def test_an_ignored_attribute_is_told_by_pairs_or_without_them_by_chance() -> None:
    pairs = attribute(swap=sure(0.5), asked=sure(0.5))
    alone = attribute(swap=None, asked=sure(0.51))
    for a in (pairs, alone):
        assert named(case(obedience=obeying(a))) == ["ignored condition"]


def test_where_the_judge_cannot_tell_nobody_is_accused() -> None:
    blind = attribute(swap=sure(0.5), asked=sure(0.5), real=sure(0.52), confusion=((0, 100), (0, 100)))
    assert named(case(obedience=obeying(blind))) == []


def test_a_continuous_attribute_is_measured_by_its_error() -> None:
    age = attribute(
        kind="continuous", choices=(), confusion=(), real_confusion=(), confidence=None, real_confidence=None
    )
    good = replace(age, asked=sure(5.0), real=sure(5.0), chance=20.0)
    ignored = replace(good, asked=sure(19.5), swap=None)
    assert named(case(obedience=obeying(good))) == []
    assert named(case(obedience=obeying(ignored))) == ["ignored condition"]


def test_values_that_show_another_are_permuted_only_if_the_others_do_too() -> None:
    both = attribute(confusion=((2, 98), (98, 2)))
    one = attribute(confusion=((20, 80), (1, 99)))
    few = attribute(confusion=((1, 5), (1, 99)))
    assert named(case(obedience=obeying(both))) == ["permuted values"]
    assert named(case(obedience=obeying(one))) == ["missed values"]
    assert named(case(obedience=obeying(few))) == []


@pytest.mark.parametrize(("real", "advice"), [(((18, 2), (5, 175)), "balance="), (((90, 10), (5, 95)), "Train longer")])
def test_values_that_are_missed_are_to_be_shown_more_often_if_they_are_rare(
    real: tuple[tuple[int, int], ...], advice: str
) -> None:
    (finding,) = diagnose(case(obedience=obeying(attribute(confusion=((20, 80), (1, 99)), real_confusion=real))))
    assert finding.name == "missed values"
    assert advice in finding.advice


@pytest.mark.parametrize(
    ("trained", "told"),
    [
        (TrainedAs("projection"), True),
        (TrainedAs("projection", {"label_weight": 0.1}), False),
        (TrainedAs("cgan"), False),
        (TrainedAs(), False),
    ],
)
def test_a_projection_critic_that_need_not_tell_values_apart_is_to_do_so_where_rare_ones_are_missed(
    trained: TrainedAs, told: bool
) -> None:
    advice = trained.against_rare_misses(["Male", "Eyeglasses"])
    assert ("label_weight=" in advice) == told
    assert "balance='Male,Eyeglasses'" in advice
    assert advice.endswith("which shows their combinations equally often.")


def test_leakage_is_what_changes_beyond_what_noise_does() -> None:
    def leaking(changed: float, still: float) -> list[str]:
        leakage = Leakage(("a", "b"), ((0.9, changed), (0.0, 0.9)), (0.0, still), ((0.5, 0.1), (0.1, 0.5)))
        pair = (attribute(name="a"), attribute(name="b"))
        return named(case(obedience=obeying(*pair, leakage=leakage)))

    assert leaking(0.3, 0.05) == ["leakage"]
    assert leaking(0.3, 0.25) == []
    assert leaking(0.05, 0.0) == []


def test_leakage_is_what_changes_beyond_what_the_judge_misreads_in_real_data() -> None:
    def leaking(own: float | None) -> list[Finding]:
        real = ((None, own), (0.0, None))
        leakage = Leakage(("a", "b"), ((0.9, 0.3), (0.0, 0.9)), (0.0, 0.05), ((0.5, 0.1), (0.1, 0.5)), real)
        pair = (attribute(name="a"), attribute(name="b"))
        return [f for f in diagnose(case(obedience=obeying(*pair, leakage=leakage))) if f.name == "leakage"]

    assert leaking(0.25) == []
    assert "real data so labelled: 15" in leaking(0.15)[0].evidence
    assert "so labelled" not in leaking(None)[0].evidence


def test_leakage_is_grave_where_the_attribute_that_changes_is_obeyed_less_than_in_real_data() -> None:
    leakage = Leakage(("a", "b"), ((0.9, 0.3), (0.0, 0.9)), (0.0, 0.05), ((0.5, 0.1), (0.1, 0.5)))

    def found(relative: float, asked: Estimate) -> Finding:
        pair = (attribute(name="a"), attribute(name="b", relative=relative, asked=asked))
        return next(f for f in diagnose(case(obedience=obeying(*pair, leakage=leakage))) if f.name == "leakage")

    assert found(0.9, sure(0.9)).grave
    assert not found(0.99, sure(0.98)).grave
    assert not found(0.9, Estimate(0.9, 0.8, 1.0)).grave  # too few samples to tell
    assert found(0.99, sure(0.98)).evidence.endswith("though on the whole b is obeyed as in real data.")


def test_swapped_attributes_follow_each_other_and_not_themselves() -> None:
    def found(own: float, other: float) -> list[str]:
        table = ((own, other), (other, own))
        leakage = Leakage(("a", "b"), table, (0.0, 0.0), ((0.5, 0.0), (0.0, 0.5)))
        pair = (attribute(name="a", swap=sure(0.7)), attribute(name="b", swap=sure(0.5)))
        return named(case(obedience=obeying(*pair, leakage=leakage)))

    assert found(0.02, 0.9) == ["swapped attributes"]
    assert "swapped attributes" not in found(0.9, 0.9)
    assert "swapped attributes" not in found(0.02, 0.05)


# ---- variety


def test_over_strong_guidance_is_told_apart_from_paid_classification_and_from_neither() -> None:
    clear = obeying(attribute(confidence=9.0))
    narrow = faithful(overall=replace(GOOD, recall=sure(0.5)))
    guided = diagnose(case(obedience=clear, fidelity=narrow, guidance=4.0))
    assert [f.name for f in guided] == ["over-strong guidance"]
    assert "`guidance=2.5`" in guided[0].advice
    acgan = case(obedience=clear, fidelity=narrow, trained=TrainedAs("acgan"))
    assert named(acgan) == ["samples avoid class boundaries"]
    other = diagnose(case(obedience=clear, fidelity=narrow))
    assert [(f.name, f.grave) for f in other] == [("samples avoid rare cases", False)]
    assert named(case(obedience=clear, guidance=4.0)) == []  # clear, but nothing is missing
    (narrower,) = diagnose(case(fidelity=narrow, guidance=4.0))  # narrow, but not clear
    assert (narrower.name, narrower.grave) == ("less varied than real data", False)


def test_parts_missing_from_a_few_conditions_are_worth_knowing_from_many_grave() -> None:
    lacking = replace(GOOD, coverage=sure(0.4))
    one = tuple(Within(f"digit={k}", lacking if k == 0 else GOOD, GOOD) for k in range(10))
    many = tuple(Within(f"digit={k}", lacking if k < 4 else GOOD, GOOD) for k in range(10))
    for within, grave in ((one, False), (many, True)):
        (found,) = diagnose(case(fidelity=faithful(within=within)))
        assert (found.name, found.grave) == ("dropped mode", grave)
        assert "digit=0" in found.evidence


def test_unlike_samples_that_miss_everything_are_no_dropped_mode() -> None:
    bad = replace(GOOD, coverage=sure(0.1), precision=sure(0.1))
    within = tuple(Within(f"digit={k}", bad, GOOD) for k in range(4))
    assert named(case(fidelity=faithful(within=within))) == []


# ---- latents


@pytest.mark.parametrize(
    ("diversity", "name", "grave"), [(0.3, "posterior collapse", True), (0.95, "healthy low KL", False)]
)
def test_an_idle_latent_is_a_fault_only_where_samples_lack_variety(diversity: float, name: str, grave: bool) -> None:
    latents = LatentSummary("digit", 0.5, 0.5, 1.0, 0.5, 1.0, (0.01, 0.02), 0, 2)
    found = diagnose(case(latents=latents, fidelity=faithful(overall=replace(GOOD, diversity=diversity))))
    assert (name, grave) in [(f.name, f.grave) for f in found]
    used = replace(latents, kl=(3.0, 4.0), active=2)
    assert named(case(latents=used)) == []


# ---- training


def test_an_overpowering_critic_and_a_collapsed_classifier_are_named() -> None:
    complaints = [Complaint(OVERPOWERING, "It wins."), Complaint(CLASSIFIER, "It knows its own.")]
    far = faithful(overall=replace(GOOD, frechet=sure(40.0)))
    found = diagnose(case(complaints=complaints, fidelity=far, trained=TrainedAs("acgan")))
    assert [(f.name, f.evidence, f.grave) for f in found] == [(each.name, each.evidence, True) for each in complaints]
    assert "`r1=1`" in found[0].advice
    assert "`generator_weight=" in found[1].advice
    (own,) = diagnose(case(complaints=[Complaint("dizziness", "It turns.", "Sit down.")], fidelity=far))
    assert own == Finding("dizziness", "It turns.", "Sit down.")


def test_leakage_has_a_remedy_that_the_family_can_take() -> None:
    def advice(trained: TrainedAs) -> str:
        leakage = Leakage(("a", "b"), ((0.9, 0.3), (0.0, 0.9)), (0.0, 0.0), ((0.5, 0.1), (0.1, 0.5)))
        pair = (attribute(name="a"), attribute(name="b"))
        (found,) = diagnose(case(obedience=obeying(*pair, leakage=leakage), trained=trained))
        return found.advice

    assert "`guidance='b=2'`" in advice(TrainedAs("flow"))
    assert "every attribute by itself (`model='adcgan'`)" in advice(TrainedAs("projection"))
    assert "model=" not in advice(TrainedAs("acgan"))


def test_a_critic_that_always_wins_is_not_grave_while_samples_are_good() -> None:
    complaints = [Complaint(OVERPOWERING, "The critic overpowers the generator (it wins 99% of pairs).")]
    (found,) = diagnose(case(complaints=complaints))
    assert not found.grave
    assert found.evidence.endswith("(it wins 99% of pairs), and the samples do not suffer.")
    unmeasured = replace(case(complaints=complaints), results={"obedience": obeying(attribute())})
    assert [f.grave for f in diagnose(unmeasured)] == [True]
    disobeyed = obeying(attribute(asked=sure(0.8)), joint=0.8)
    assert diagnose(case(complaints=complaints, obedience=disobeyed))[0].grave


def falling(*losses: float) -> list[dict[str, float]]:
    return [{"images": k, "validation/loss": loss} for k, loss in enumerate(losses)]


def test_under_training_needs_poor_samples_and_a_loss_that_still_falls() -> None:
    poor = obeying(attribute(asked=sure(0.8)), joint=0.8)
    still, done = falling(9.0, 7.0, 5.0, 3.0), falling(9.0, 5.0, 3.001, 3.0)
    assert named(case(obedience=poor, log=still)) == ["under-training"]
    assert named(case(log=still)) == []
    assert named(case(obedience=poor, log=done)) == ["missed requests"]
    assert named(case(obedience=poor, log=[], epochs=2.0)) == ["under-training"]


def test_what_probably_comes_of_under_training_follows_it_without_advice_against_it() -> None:
    missed = obeying(attribute(asked=sure(0.6), confusion=((20, 80), (1, 99))), joint=0.6)
    alike = faithful(overall=replace(GOOD, diversity=0.4, recall=sure(0.1)), intra_recall=0.1)
    guided = case(obedience=missed, fidelity=alike, guidance=2.0, trained=TrainedAs("flow", {"guidance": 2.0}))
    assert [(f.name, "guidance=" in f.advice) for f in diagnose(guided) if f.name == "mode collapse"] == [
        ("mode collapse", True)
    ]
    first, *others = diagnose(replace(guided, log=[], epochs=2.0))
    assert (first.name, "Train longer" in first.advice) == ("under-training", True)
    assert {f.name for f in others} == {"missed values", "mode collapse"}
    assert {f.advice for f in others} == {"This is probably because of the under-training: train longer first."}


def test_over_fitting_is_a_loss_that_rose_again() -> None:
    assert named(case(log=falling(9.0, 4.0, 5.0, 7.0))) == ["over-fitting"]
    assert named(case(log=falling(9.0, 4.0, 4.0, 4.2))) == []


def test_grave_findings_come_first() -> None:
    latents = LatentSummary("digit", 0.5, 0.5, 1.0, 0.5, 1.0, (0.01,), 0, 1)
    poor = obeying(attribute(asked=sure(0.8)), joint=0.8)
    complaints = [Complaint(OVERPOWERING, "It wins.")]
    found = diagnose(case(latents=latents, obedience=poor, complaints=complaints))
    assert [f.grave for f in found] == [True, False]
