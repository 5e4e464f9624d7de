import json
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from scipy.stats import ttest_ind

from condgen.cli.spelling import spell
from condgen.errors import RequestError
from condgen.evaluation.comparison.comparison import Comparison, Failure, chance, compare, dumps, winner
from condgen.evaluation.metrics.attribute_obedience import AttributeObedience
from condgen.evaluation.metrics.distances import Distances
from condgen.evaluation.metrics.estimate import Estimate
from condgen.evaluation.metrics.feature_sets import Fidelity
from condgen.evaluation.metrics.memorisation import Memorisation
from condgen.evaluation.metrics.obedience import Obedience
from condgen.evaluation.metrics.usefulness import Usefulness
from condgen.evaluation.protocol import MeasuringProtocol
from condgen.evaluation.report import Report
from condgen.pages.comparison import captions, markdown, page, save, table

PROTOCOL = MeasuringProtocol(1000, "data", ("judge",), "cafe", 500, "beef-v1", 100, 100, 0)
CVAE = {"mechanism": "film", "prior": "standard", "latent": 16}
FLOW = {"mechanism": "film", "guidance": 1.0}


def sure(value: float) -> Estimate:
    return Estimate(value, value, value)


def distances(frechet: float) -> Distances:
    return Distances(500, sure(frechet), sure(0.1), sure(0.8), sure(0.7), sure(1.0), sure(0.9), 0.95)


def fidelity(frechet: float, features: str = "judge") -> Fidelity:
    made, floor, nan = distances(frechet), distances(0.5), float("nan")
    return Fidelity(features, made, floor, (), nan, nan, nan, nan, nan, nan, nan, nan)


def obedience(joint: float) -> Obedience:
    digit = AttributeObedience("digit", "categorical", ("0", "1"), sure(joint), sure(0.99), joint / 0.99, 0.5)
    age = AttributeObedience("age", "continuous", (), sure(2.0), sure(1.0), 0.5, 20.0)
    return Obedience((digit, age), sure(joint), sure(0.99))


def report(
    joint: float | None = 0.9,
    seed: int = 0,
    model: str = "cvae",
    arguments: dict[str, Any] = CVAE,
    training: dict[str, Any] | None = None,
    sampling: dict[str, Any] | None = None,
    protocol: MeasuringProtocol = PROTOCOL,
    frechet: float = 1.0,
    **run: Any,
) -> Report:
    """What is known of a made-up run."""
    settings = {"images": 1000, "seconds": None, "lr": 0.01, "seed": seed, **(training or {})}
    described = {"path": f"{model}-{seed}", "model": model, "arguments": arguments, "training": settings}
    return Report(
        headline="",
        watch="",
        run={**described, "data": {"fingerprint": "cafe"}, "images": 1000, "seconds": 12.5, **run},
        sampling=sampling or {},
        protocol=protocol,
        results={
            "obedience": None if joint is None else obedience(joint),
            "fidelity": tuple(fidelity(frechet, name) for name in protocol.features),
            "memorisation": Memorisation(sure(0.01), sure(0.01), sure(0.5), sure(0.0), sure(0.0)),
            "usefulness": (
                None if joint is None else Usefulness(100, {"digit": 0.9, "age": 4.0}, {"digit": 0.9, "age": 2.0})
            ),
        },
        findings=(),
        warnings=(),
        seconds=1.0,
    )


def reports(joints: Sequence[float], **arguments: Any) -> list[Report]:
    """One run for each number, with seeds 0, 1, …"""
    return [report(joint, seed, **arguments) for seed, joint in enumerate(joints)]


def film_and_concat(first: Sequence[float], second: Sequence[float]) -> Comparison:
    return compare(reports(first) + reports(second, arguments=CVAE | {"mechanism": "concat"}))


def best(found: Comparison, name: str = "obedience") -> list[str]:
    return [row.label for row in found.rows if name in row.cells and row.cells[name].best]


# ---- protocols


def test_different_protocols_are_refused_with_what_differs_and_how_to_mend_it() -> None:
    other = replace(PROTOCOL, samples=5000)
    with pytest.raises(RequestError) as refused:
        compare([report(path="runs/a"), report(seed=1, path="runs/b", protocol=other)])
    said = str(refused.value)
    assert "samples is 1,000 for runs/a but 5,000 for runs/b" in said
    assert "held_out is" not in said
    assert "condgen evaluate runs/b --samples 1000" in spell(said)


def test_older_measurements_are_refused_and_to_be_made_again() -> None:
    older = replace(PROTOCOL, version=1)
    with pytest.raises(RequestError) as refused:
        compare([report(path="runs/a", protocol=older), report(seed=1, path="runs/b")])
    said = spell(str(refused.value))
    assert "version is 1 for runs/a but 2 for runs/b" in said
    assert "condgen evaluate runs/a" in said


def test_combinations_measured_differently_are_refused() -> None:
    other = replace(PROTOCOL, combinations=30, folds=0)
    with pytest.raises(RequestError) as refused:
        compare([report(path="runs/a", protocol=other), report(seed=1, path="runs/b")])
    said = spell(str(refused.value))
    assert "combinations is 30 for runs/a but 100 for runs/b; folds is 0 for runs/a but 3 for runs/b" in said
    assert "--combinations 30 --folds 0" in said


def test_reports_from_before_combinations_were_in_the_protocol_compare_as_if_measured_as_usual() -> None:
    older = json.loads(report().dumps())
    for name in ("combinations", "folds"):
        del older["recipe"][name]
    assert Report.loads(json.dumps(older)).protocol == PROTOCOL


def test_advice_keeps_the_settings_that_agree() -> None:
    wanted, other = (replace(PROTOCOL, pairs=40, useful=0, samples=n) for n in (200, 300))
    with pytest.raises(RequestError) as refused:
        compare([report(path="runs/a", protocol=wanted), report(seed=1, path="runs/b", protocol=other)])
    assert "condgen evaluate runs/b --samples 200 --pairs 40 --useful 0" in spell(str(refused.value))


def test_other_data_is_said_before_other_settings() -> None:
    other = replace(PROTOCOL, samples=5000, reference="dead")
    with pytest.raises(RequestError) as refused:
        compare([report(path="runs/a"), report(seed=1, path="runs/b", protocol=other)])
    said = spell(str(refused.value))
    assert "on different data" in said
    assert "runs/a against runs/b" in said
    assert "--data DATA" in said
    assert not any(unsaid in said for unsaid in ("samples", "dead"))


def test_a_judge_that_saw_another_number_of_images_is_named() -> None:
    brief = replace(PROTOCOL, judge=f"{PROTOCOL.judge}-30000")
    with pytest.raises(RequestError) as refused:
        compare([report(path="runs/a", protocol=brief), report(seed=1, path="runs/b")])
    advice = "condgen evaluate runs/b --samples 1000 --pairs 100 --useful 100 --judge-images 30000"
    assert advice in spell(str(refused.value))


def test_every_part_of_the_protocol_counts() -> None:
    for name, value in vars(PROTOCOL).items():
        changed = (*value, "inception") if name == "features" else value + type(value)(1)
        said = "different data" if name == "reference" else rf"\b{name} is "
        with pytest.raises(RequestError, match=said):
            compare([report(), report(seed=1, protocol=replace(PROTOCOL, **{name: changed}))])


# ---- rows


def test_runs_that_differ_in_their_seed_only_are_one_row_with_mean_and_deviation() -> None:
    (row,) = compare(reports([0.8, 0.9])).rows
    assert row.seeds == (0, 1)
    assert row.runs == ("cvae-0", "cvae-1")
    assert row.cells["obedience"].mean == pytest.approx(0.85)
    assert row.cells["obedience"].sd == pytest.approx(0.0707, abs=1e-4)
    assert compare([report()]).rows[0].cells["obedience"].sd is None


def test_images_seen_within_a_time_budget_are_no_setting() -> None:
    timed = {"images": None, "seconds": 60.0}
    found = compare([report(training=timed, images=900), report(seed=1, training=timed, images=1100)])
    assert len(found.rows) == 1
    assert found.rows[0].cells["images"].mean == 1000
    assert any("machine's other work" in caption for caption in captions(found))


def test_labels_say_what_rows_differ_in_and_nothing_else() -> None:
    cases: list[dict[str, Any]] = [
        {},
        {"arguments": CVAE | {"mechanism": "concat"}},
        {"arguments": CVAE | {"latent": 4}},
        {"model": "flow", "arguments": FLOW},
        {"model": "flow", "arguments": FLOW, "sampling": {"guidance": 2.0}},
        {"model": "flow", "arguments": FLOW, "sampling": {"guidance": 2.0, "interval": (0.25, 0.75)}},
    ]
    found = compare([report(**case) for case in cases])
    assert [row.label for row in found.rows] == [
        "cvae · film · latent=16",
        "cvae · concat · latent=16",
        "cvae · film · latent=4",
        "flow · film",
        "flow · film · guidance=2",
        "flow · film · guidance=2 · interval=0.25..0.75",
    ]
    assert found.common["lr"] == 0.01
    assert "latent" not in found.common


def test_runs_of_other_data_or_another_budget_are_other_rows() -> None:
    found = compare([report(), report(training={"images": 2000}), report(data={"fingerprint": "dead"})])
    assert len(found.rows) == 3
    assert "images=2,000" in found.rows[1].label


def test_the_same_run_twice_is_refused() -> None:
    with pytest.raises(RequestError, match="one run, not two"):
        compare([report(0.9), report(0.8, path="copy")])


def test_nothing_to_compare_is_an_error_that_says_what_failed() -> None:
    with pytest.raises(RequestError, match=r"no report.*flow-0 failed: diverged"):
        compare([], [Failure(report(model="flow", arguments=FLOW).run, "diverged")])


# ---- what is measured


def test_unconditional_models_are_compared_in_what_they_have() -> None:
    found = compare([report(None, model="vae", arguments={}), report()])
    assert "obedience" not in found.rows[0].cells
    assert found.rows[0].cells["frechet_relative"].mean == 2.0
    assert "– |" in markdown(found)
    assert found.quantities[0].name == "obedience"


def test_what_is_no_number_is_left_out() -> None:
    assert "intra_recall" not in compare([report()]).rows[0].cells


def test_other_features_have_columns_of_their_own() -> None:
    both = replace(PROTOCOL, features=("judge", "inception"))
    found = compare([report(protocol=both, frechet=1.5)])
    assert found.rows[0].cells["inception_frechet_relative"].mean == 3.0
    assert "precision" in [q.name for q in found.shown("terminal")]
    assert not any(q.name.startswith("inception") for q in found.shown("terminal"))


def test_usefulness_is_relative_to_real_data_also_for_errors() -> None:
    assert compare([report()]).rows[0].cells["usefulness"].mean == pytest.approx((1.0 + 0.5) / 2)


# ---- noise


def test_a_difference_beyond_noise_is_bold() -> None:
    found = film_and_concat([0.90, 0.91, 0.92], [0.70, 0.71, 0.72])
    assert best(found) == ["film"]
    assert "**91.0 ± 1.0**" in markdown(found)
    assert "obeyed" not in [q.title for q in found.undecided]


def test_a_difference_within_noise_is_not_bold_and_is_said_so() -> None:
    found = film_and_concat([0.90, 0.80, 0.95], [0.70, 0.92, 0.80])
    assert best(found) == []
    assert "obeyed" in [q.title for q in found.undecided]
    assert "obeyed: no row is the best beyond noise; film has the best mean, within noise of concat." in markdown(found)


def test_losers_are_named_and_rows_within_noise_of_the_best_are_no_losers() -> None:
    near = [replace(r, run=r.run | {"arguments": CVAE | {"latent": 4}}) for r in reports([0.90, 0.92, 0.91])]
    far = reports([0.70, 0.71, 0.72], model="flow", arguments=FLOW)
    found = compare([*reports([0.91, 0.92, 0.93]), *near, *far])
    standing = next(s for s in found.standings if s.quantity.title == "obeyed")
    assert (standing.leader, standing.worse, standing.even) == ("cvae · latent=16", ("flow",), ("cvae · latent=4",))
    said = "obeyed: flow worse than cvae · latent=16 by more than noise; cvae · latent=4 within noise of it."
    assert said in captions(found, "terminal")
    assert json.loads(dumps(found))["standings"]["obedience"]["worse beyond noise"] == ["flow"]
    assert compare([report(0.9), *far]).standings == []


def test_with_one_seed_nothing_is_bold() -> None:
    found = film_and_concat([0.9], [0.1, 0.11, 0.12])
    assert best(found) == []
    assert "One seed says nothing about noise (film)" in markdown(found)


def test_the_best_must_beat_every_row_and_lower_may_be_better() -> None:
    spread = [reports([0.9] * 3, frechet=1.0), reports([0.9] * 3, model="flow", arguments=FLOW)]
    for k, run in enumerate(spread[0]):
        spread[0][k] = run.with_results(fidelity=(fidelity(1.0 + k / 100),))
    for k, run in enumerate(spread[1]):
        spread[1][k] = run.with_results(fidelity=(fidelity(3.0 + k / 100),))
    assert best(compare([*spread[0], *spread[1]]), "frechet_relative") == ["cvae"]
    near = [replace(r, run=r.run | {"arguments": CVAE | {"latent": 4}}) for r in spread[0]]
    assert best(compare([*spread[0], *spread[1], *near]), "frechet_relative") == []


def test_more_rows_ask_for_more_certainty() -> None:
    first, others = [0.93, 0.91, 0.92], [0.885, 0.895, 0.905]
    alone = chance(first, others)
    assert 0.025 < alone < 0.05
    assert winner([first, others]) == 0
    assert winner([first, others, others]) is None


def test_chances_are_those_of_welchs_test() -> None:
    # By hand: t = 10 / √(2/2 + 2/2) with ν = 2, for which Student's distribution is t / √(t² + 2).
    assert chance([0.0, 2.0], [10.0, 12.0]) == pytest.approx(1 - 50**0.5 / 52**0.5)
    a, b = [5.0, 6.0, 7.5], [2.0, 4.0, 6.0, 9.0]
    assert chance(a, b) == pytest.approx(ttest_ind(a, b, equal_var=False).pvalue)


def test_equal_values_are_no_winners_and_values_without_spread_need_enough_of_them() -> None:
    assert chance([1.0, 1.0], [1.0, 1.0]) == 1.0
    assert winner([[1.0] * 3, [0.9] * 3]) is None
    assert winner([[1.0] * 5, [0.9] * 5]) == 0
    assert winner([[0.9] * 3, [0.1 + 0.2, 0.3, 0.3]]) == 0


def test_diversity_is_best_where_it_is_one() -> None:
    (diversity,) = [q for q in compare([report()]).quantities if q.name == "diversity"]
    assert diversity.score(1.1) > diversity.score(0.8)
    assert diversity.score(1.0) > diversity.score(1.1)


# ---- output


@pytest.fixture
def found() -> Comparison:
    failure = Failure(report(seed=7, arguments=CVAE | {"mechanism": "concat"}).run, "Training diverged.")
    conditional = reports([0.9, 0.92, 0.91]) + reports([0.5, 0.52], arguments=CVAE | {"mechanism": "concat"})
    return compare(conditional, [failure])


def test_failures_are_listed_in_their_rows(found: Comparison) -> None:
    assert "| concat | 2, 1 failed |" in markdown(found)
    assert "cvae-7 failed: Training diverged." in markdown(found)


def test_markdown_is_a_table_with_its_recipe(found: Comparison) -> None:
    lines = markdown(found).splitlines()
    assert len({line.replace(r"\|", "").count("|") for line in lines[:4]}) == 1
    assert "obeyed % ↑" in lines[0]
    assert "samples 1,000" in lines[-1]


def test_a_row_of_one_run_is_shown_by_its_name() -> None:
    found = compare([*reports([0.9, 0.8]), report(model="flow", arguments=FLOW, path="runs/my-flow")])
    assert [line.split(" | ")[0] for line in markdown(found).splitlines()[2:4]] == ["| cvae", "| my-flow · flow"]
    assert [cell.plain for cell in table(found).columns[0].cells] == ["cvae", "my-flow · flow"]


def test_json_holds_everything(found: Comparison) -> None:
    content = json.loads(dumps(found))
    assert content["recipe"]["samples"] == 1000
    film = content["rows"][0]
    assert film["cells"]["obedience"] == {
        "values": [0.9, 0.92, 0.91],
        "mean": pytest.approx(0.91),
        "sd": pytest.approx(0.01),
        "best": True,
    }
    assert film["settings"]["latent"] == 16
    assert "frechet_relative" in content["undecided"]
    assert {"name", "title", "better"} <= content["quantities"][0].keys()


def test_the_terminal_shows_a_table_that_fits(found: Comparison) -> None:
    console = Console(width=80, record=True, file=StringIO(), force_terminal=True)
    console.print(table(found))
    shown = console.export_text(clear=False)
    assert "91.0 ± 1.0" in shown
    assert "…" not in shown
    assert "coverage" not in "\n".join(captions(found, "terminal"))
    assert "coverage" in "\n".join(captions(found))
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b[1m91.0 ± 1.0" in console.export_text(styles=True)


class Page(HTMLParser):
    """The tags that are open, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "line", "circle", "input", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_has_the_table_the_plots_and_the_recipe(found: Comparison) -> None:
    html = page(found)
    parsed = Page()
    parsed.feed(html)
    assert parsed.open == []
    assert "91.0 ± 1.0" in parsed.text
    assert "Obedience against fidelity" in parsed.text
    assert "beef-v1" in parsed.text
    assert "cvae-7 failed: Training diverged." in parsed.text
    strip = html[html.index("obeyed % ↑ of every seed") :].split("</svg>")[0]
    assert strip.count("<circle") == 5  # one for every seed


def test_the_page_of_unconditional_models_has_no_obedience() -> None:
    html = page(compare([report(None, model="vae", arguments={})]))
    assert "Obedience against fidelity" not in html


def test_names_cannot_break_the_page_or_the_table() -> None:
    found = compare([report(), report(arguments=CVAE | {"note": "<b>|"})])
    assert "<b>" not in page(found)
    assert r"note=<b>\|" in markdown(found)


def test_a_comparison_is_saved_over_an_earlier_one(found: Comparison, tmp_path: Path) -> None:
    save(found, tmp_path)
    assert save(compare([report()]), tmp_path) == tmp_path / "comparison.html"
    assert len(json.loads((tmp_path / "comparison.json").read_text())["rows"]) == 1
    assert (tmp_path / "comparison.md").read_text().startswith("| ")
