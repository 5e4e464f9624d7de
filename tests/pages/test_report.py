import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from condgen.data import Splits
from condgen.evaluation.findings import Finding
from condgen.evaluation.metrics.artefacts import Artefacts, Pattern
from condgen.evaluation.metrics.attribute_obedience import AttributeObedience, Bin
from condgen.evaluation.metrics.combinations import Combination
from condgen.evaluation.metrics.counterfactuals import Leakage
from condgen.evaluation.metrics.critic import KnownAttribute, KnownLabels
from condgen.evaluation.metrics.distances import Distances
from condgen.evaluation.metrics.estimate import Estimate
from condgen.evaluation.metrics.extremes import End, Extremes
from condgen.evaluation.metrics.feature_sets import Fidelity, Within
from condgen.evaluation.metrics.latents import LatentSummary
from condgen.evaluation.metrics.memorisation import Memorisation
from condgen.evaluation.metrics.obedience import Obedience
from condgen.evaluation.metrics.rare import Rare, RareObedience
from condgen.evaluation.metrics.requests import RequestObedience
from condgen.evaluation.metrics.usefulness import Usefulness
from condgen.evaluation.protocol import MeasuringProtocol
from condgen.evaluation.report import Report
from condgen.pages.charts import LineChart, Scale, line_charts, scale
from condgen.pages.html import Picture, Sheet, format_count, format_duration, number, percent, shown_size
from condgen.pages.report import render, track
from condgen.pictures import pil_image
from tests.browser import Page, in_browser
from tests.pages.looks import check_looks

HOSTILE = "<img src=x onerror=alert(1)> & \"naïve\" 'Größe' 🦊"
NAN = float("nan")


def near(value: float, spread: float = 0.01, most: float = 1.0) -> Estimate:
    return Estimate(value, max(value - spread, 0.0), min(value + spread, most))


def table(n: int, right: int, seed: int) -> tuple[tuple[int, ...], ...]:
    """A confusion matrix of n values, `right` of 100 on the diagonal in most rows."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n):
        row = rng.multinomial(100 - right + int(rng.integers(0, 3)), rng.dirichlet(np.full(n, 0.3)))
        row[k] += right
        rows.append(tuple(int(v) for v in row))
    return tuple(rows)


def named(name: str, choices: Sequence[str], right: int = 95, kind: str = "categorical") -> AttributeObedience:
    return AttributeObedience(
        name=name,
        kind=kind,
        choices=tuple(choices),
        asked=near(right / 100),
        real=near(0.97, 0.006),
        relative=right / 97,
        chance=1 / len(choices),
        swap=near(0.96),
        confidence=5.1,
        real_confidence=6.2,
        confusion=table(len(choices), right, 1),
        real_confusion=table(len(choices), 97, 2),
    )


def numeric(name: str) -> AttributeObedience:
    bins = tuple(Bin(a, 12 + 0.72 * a + 3 * np.sin(a / 9).item(), 4 + a / 20, 300) for a in np.linspace(4, 76, 10))
    return AttributeObedience(
        name=name,
        kind="continuous",
        choices=(),
        asked=near(6.4, 0.3, 99.0),
        real=near(4.1, 0.2, 99.0),
        relative=0.64,
        chance=22.3,
        swap=near(0.91, 0.02),
        tolerance=9.5,
        calibration=bins,
    )


def distances(quality: float, n: int = 5000) -> Distances:
    return Distances(
        n=n,
        frechet=near(14 - 13 * quality, 0.4, 99.0),
        kernel=near(0.02 - 0.0195 * quality, 0.0004),
        precision=near(0.7 + 0.2 * quality),
        recall=near(0.5 + 0.4 * quality),
        density=near(1.2 - 0.2 * quality, 0.02, 9.0),
        coverage=near(0.6 + 0.35 * quality),
        diversity=0.8 + 0.2 * quality,
    )


def closeness(conditions: Sequence[str]) -> Fidelity:
    within = tuple(
        Within(c, distances(0.9 - 0.1 * (k % 5), 500), distances(1.0, 500)) for k, c in enumerate(conditions)
    )
    return Fidelity("judge", distances(0.8), distances(1.0), within, 4.9, 1.1, 0.86, 0.9, 0.8, 0.89, 0.91, 0.95)


def digits_report() -> Report:
    names = [str(k) for k in range(10)]
    return Report(
        headline="Requests are mostly obeyed: 95.0 % of samples show digit as asked (95 % interval 94.0–96.0), by a "
        "judge who finds 97.0 % of held-out real data as labelled.",
        watch="Samples of one condition are more alike than real ones (diversity 0.84).",
        run={
            "path": "runs/my digits",
            "model": "cvae",
            "arguments": {"mechanism": "film", "prior": "standard", "latent": 16, "beta": 1.0, "mean": None},
            "training": {"images": 500_000, "batch": 128, "lr": 0.008},
            "data": {"source": "digits", "fingerprint": "3f9a01c2"},
            "images": 500_000,
            "seconds": 83.2,
        },
        sampling={},
        protocol=MeasuringProtocol(10_000, "data", ("judge",), "3f9a01c2", 270, "77aa-v2", 1000, 60_000, 0),
        results={
            "obedience": Obedience((named("digit", names),), near(0.95), near(0.97, 0.006)),
            "fidelity": (closeness([f"digit={k}" for k in names]),),
            "artefacts": Artefacts(2_000, (Pattern(2, "diagonal", Estimate(5.871, 5.771, 5.971), near(0.813)),)),
            "memorisation": Memorisation(near(0.012, 0.003), near(0.01, 0.003), near(0.507), near(0.021), near(0.018)),
            "usefulness": Usefulness(60_000, {"digit": 0.931}, {"digit": 0.968}),
            "latents": LatentSummary(
                "digit", 0.31, 0.1, 0.82, 0.31, 0.82, tuple(3 * 0.7**k for k in range(16)), 11, 16
            ),
        },
        findings=(
            Finding("healthy low KL", "11 of 16 dimensions are in use, 10.0 nats in all.", "nothing to mend.", False),
            Finding(
                "mode collapse",
                "Samples of one digit differ 0.84 as much as real ones; for digit=4 it is 0.41 (real data: 0.98).",
                "train longer: --images 2M.",
                True,
            ),
        ),
        warnings=("digit=4: precision and recall are of 60 samples only.",),
        seconds=95.4,
        versions={"condgen": "0.1.0", "torch": "2.13.0"},
        data="other digits",
    )


def people_report() -> Report:
    """Several attributes of every kind, with names as people's tables have them."""
    attributes = (
        named("hair colour", ("black", "blond", "brown", "grey", "very long name of a rare colour"), 91),
        named(HOSTILE, ("no", "yes"), 74, "flag"),
        numeric("age"),
    )
    base = digits_report()
    requests = [f"hair colour={c}, glasses={g}" for c in ("black", "blond", "brown", "grey") for g in ("no", "yes")] * 2
    obedience = Obedience(
        attributes,
        near(0.612),
        near(0.902),
        tuple(Combination(r, k % 5 != 0, near(0.2 + 0.05 * k, 0.05), 40) for k, r in enumerate(requests)),
        near(0.41, 0.06),
        Leakage(
            tuple(a.name for a in attributes),
            ((0.8, 0.04, 0.31), (0.06, 0.7, 0.05), (0.22, 0.02, 0.4)),
            (0.05, 0.03, 0.02),
            ((1.0, 0.03, 0.12), (0.05, 1.0, 0.04), (0.2, 0.01, 1.0)),
        ),
    )
    useful = Usefulness(60_000, {"age": 7.7}, {"age": 5.01})
    known = KnownLabels((KnownAttribute(HOSTILE, near(0.94), near(0.51)), KnownAttribute("age", near(0.9), near(0.9))))
    results = {"obedience": obedience, "rare": rarities(), "usefulness": useful, "latents": None, "critic": known}
    return replace(
        base,
        headline="Requests are often missed: 61.2 % of samples show all 3 attributes at once as asked.",
        sampling={"guidance": 2.0, "steps": 32, "interval": (0.2, 0.8)},
    ).with_results(**results)


def rarities() -> Rare:
    """Two combinations that fall short, one of them by less than is a fault, and many as in real images."""
    gaps = [Estimate(0.26, 0.12, 0.4), Estimate(0.06, 0.01, 0.1), *[Estimate(0.0, -0.1, 0.1)] * 12]
    names, real = (HOSTILE, "age"), near(0.9)
    found = [
        RareObedience(
            f"{HOSTILE}=yes, age={k}..80", names, near(0.9 - g.value), real, g, 0.0, "age", 0.6, 0.9, 120, 233
        )
        for k, g in enumerate(gaps)
    ]
    return Rare(tuple(found), 3, 100)


def bare_report() -> Report:
    """All that a model without attributes has."""
    base = digits_report()
    return replace(
        base, headline="This model cannot be asked for anything.", watch="", findings=(), warnings=(), versions={}
    ).with_results(obedience=None, fidelity=(), artefacts=None, usefulness=None, latents=None)


def log() -> list[dict[str, Any]]:
    """A log.jsonl as training writes it: losses often, looks at validation and health now and then."""
    entries: list[dict[str, Any]] = []
    for k in range(1, 401):
        images = 1280 * k
        entries.append({"images": images, "loss": 0.3 + 0.9 * 0.98**k + 0.02 * np.sin(k).item(), "gradient": 1 / k})
        if k % 40 == 0:
            entries.append({"images": images, "validation/loss": 0.33 + 0.9 * 0.98**k})
            entries.append({"images": images, "diversity": 0.6 + k / 1600, "condition_effect": 1 - 0.9 * 0.99**k})
    entries.append({"images": 128_000, "warning": "samples of one condition hardly differ (diversity 0.25)."})
    return sorted(entries, key=lambda entry: entry["images"])


def digit_sheets(data: Splits) -> dict[str, Sheet]:
    codes = data.train.condition.values["digit"]
    rows = [(f"digit={k}", tuple(Picture(pil_image(x)) for x in data.train.floats[codes == k][:12])) for k in range(10)]
    mistakes = tuple(replace(row[1], caption=f"asked {label}; reads digit=8") for label, row in rows)
    nearest = [
        (label, tuple(replace(p, caption=text) for p, text in zip(row, ("sample", "at 0.02", "at 0.12"), strict=False)))
        for label, row in rows[:6]
    ]
    return {
        "requests": Sheet("Samples by request", "Not chosen: the first samples of each request.", tuple(rows)),
        "mistakes": Sheet("Worst mistakes", "What the judge finds least like what was asked.", (("", mistakes),)),
        "nearest": Sheet("Nearest training images", "Each sample and the images nearest to it.", tuple(nearest)),
        "traversals": Sheet("Latent dimensions", "Each row moves one.", (("dimension 0 (1.23 nats)", rows[3][1]),)),
    }


def people_sheets() -> dict[str, Sheet]:
    """Larger pictures in colour."""
    ramp = np.linspace(0, 255, 320, dtype=np.uint8)
    image = Image.fromarray(np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], ramp[:, None] // 2), -1)[:, :256])
    row = tuple(Picture(image.resize((128, 128)), f"age={age}") for age in range(20, 80, 10))
    return {"requests": Sheet("Samples", "", ((HOSTILE, row), ("original size", (Picture(image, HOSTILE),))))}


EXAMPLES = ("digits", "people", "bare")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, digits: Splits) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    texts = {
        "digits": render(digits_report(), digit_sheets(digits), log()),
        "people": render(people_report(), people_sheets(), log()[:3]),
        "bare": render(bare_report(), {}, []),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


# ---- the text of the page


class Structure(HTMLParser):
    """The ids, links, tags and headings of a page, and whether every tag is closed."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(page: Path) -> Structure:
    structure = Structure()
    structure.feed(page.read_text(encoding="utf-8"))
    return structure


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_tag_is_closed_and_every_link_leads_somewhere_on_the_page(pages: dict[str, Path], name: str) -> None:
    structure = read(pages[name])
    assert structure.open == []
    ids = [a["id"] for _, a in structure.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    links = [str(a["href"]) for a in structure.all("a")]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)


@pytest.mark.parametrize("name", EXAMPLES)
def test_headings_descend_one_level_at_a_time_from_a_single_first(pages: dict[str, Path], name: str) -> None:
    levels = [int(tag[1]) for tag, _ in read(pages[name]).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_names_nothing_outside_itself(pages: dict[str, Path], name: str) -> None:
    structure = read(pages[name])
    assert not structure.all("script")
    addresses = [a[key] for _, a in structure.tags for key in ("src", "href") if a.get(key)]
    assert all(str(address).startswith(("data:", "#")) for address in addresses)
    assert "url(" not in pages[name].read_text(encoding="utf-8")


def test_names_from_peoples_data_are_shown_as_they_are_and_never_read_as_html(pages: dict[str, Path]) -> None:
    structure = read(pages["people"])
    assert HOSTILE in structure.text
    assert not any("onerror" in attributes for _, attributes in structure.tags)
    assert any(HOSTILE in (image["alt"] or "") for image in structure.all("img"))


def test_the_order_is_headline_then_what_to_watch_then_findings_with_the_grave_ones_first(
    pages: dict[str, Path],
) -> None:
    report, structure = digits_report(), read(pages["digits"])
    fine, grave = report.findings
    parts = (report.headline, report.watch, grave.evidence, grave.advice, fine.evidence)
    places = [structure.text.index(part) for part in parts]
    assert places == sorted(places)
    assert [a.get("id") for a in structure.all("section")] == [
        "findings", "requests", "obedience", "mistakes", "traversals", "fidelity", "artefacts", "memorisation",
        "usefulness", "latents", "training", "warnings", "recipe",
    ]  # fmt: skip


def test_numbers_of_the_report_are_on_the_page(pages: dict[str, Path]) -> None:
    text = re.sub("[ \n]+", " ", read(pages["people"]).text)
    for shown in (
        "2 pixels, diagonal",
        "5.87 (5.77–5.97)",
        "91.0\u202f% (90.0–92.0)",
        "off by 6.40 (6.10–6.70)",
        "never in the training data",
        "41.0\u202f%",
    ):
        assert shown in text
    assert "condgen evaluate 'runs/my digits' --data 'other digits'" in text
    for shown in (
        "26.0\u202f% (12.0–40.0)",
        "233",
        "read by 3 judges",
        "fault",
        "beyond noise",
        "age 60.0\u202f% (90.0\u202f%)",
    ):
        assert shown in text


def test_the_ends_of_numbers_are_on_the_page() -> None:
    end = End(
        "highest", 70.0, 75.0, near(57.0, 1.0, 99.0), 75.0, near(66.0, 1.0, 99.0), near(9.0, 2.0, 99.0), 0.3, 90, 80
    )
    page = render(people_report().with_results(extremes=(Extremes("age", (end,), 0.5, 0.8),)), {}, [])
    assert "age, highest 5 %" in page
    assert '57.0 <span class="ci">(56.0–58.0)</span>' in page


def test_the_tolerance_of_a_number_is_a_difference_or_a_factor() -> None:
    price = replace(numeric("price"), tolerance=None, factor=1.4)
    for a, told in (
        (numeric("age"), "(±\u00a09.50)"),
        (price, "(within ×\u00a01.40)"),
        (replace(price, factor=None), ""),
    ):
        page = render(digits_report().with_results(obedience=Obedience((a,), near(0.9), near(0.97))), {}, [])
        assert f"close enough to count as obeyed {told}" in page if told else "close enough" not in page
        assert page.count('<polygon class="band"') == bool(told)


def test_what_is_empty_is_left_out(pages: dict[str, Path]) -> None:
    ids = {a.get("id") for a in read(pages["bare"]).all("section")}
    assert ids == {"memorisation", "recipe"}
    full = {a.get("id") for name in ("digits", "people") for a in read(pages[name]).all("section")}
    assert full > {
        "findings",
        "requests",
        "obedience",
        "mistakes",
        "rare",
        "combinations",
        "leakage",
        "fidelity",
        "usefulness",
    }


def test_a_sheet_of_any_other_name_is_shown_too() -> None:
    sheet = Sheet("Something new", "", (("row", (Picture(Image.new("L", (8, 8))),)),))
    assert "Something new" in render(bare_report(), {"new": sheet}, [])


def test_many_values_are_listed_by_their_worst_confusions_instead_of_a_matrix() -> None:
    crowded = named("species", [f"bird {k}" for k in range(60)], 80)
    report = digits_report().with_results(obedience=Obedience((crowded,), near(0.8), near(0.97)))
    text = render(report, {}, [])
    assert "most frequent confusions of its 60 values" in text
    assert len(text) < 200_000


def test_numbers_that_are_not_known_are_dashes() -> None:
    unknown = Estimate(NAN, 0.0, 1.0)
    nothing = replace(named("digit", "ab"), asked=unknown, relative=NAN, swap=None, confidence=None, real_confusion=())
    text = render(digits_report().with_results(obedience=Obedience((nothing,), unknown, near(1.0))), {}, [])
    assert "nan" not in re.sub(r"data:[^\"]*", "", text).lower().replace("dominant", "")
    assert "–" in text


def test_a_request_that_the_judge_finds_in_no_real_data_is_no_tie() -> None:
    none = Estimate(0.0, 0.0, 0.2)
    request = RequestObedience("color=red, body=Wagon", none, none, 1_000, 13, 40)
    assert "cannot be judged: the judge finds none of 13" in render(
        digits_report().with_results(asked=(request,)), {}, []
    )


# ---- numbers, charts


def test_numbers_are_written_for_people() -> None:
    assert percent(Estimate(0.982, 0.976, 0.987)) == "98.2\u202f% (97.6–98.7)"
    assert percent(0.5) == "50.0\u202f%"
    assert percent(Estimate(0.5, float("-inf"), float("inf"))) == "50.0\u202f%"
    assert number(Estimate(3.14159, 3.1, 3.2)) == "3.14 (3.10–3.20)"
    assert number(-0.00001234) == "−1.2·10⁻⁵"
    assert number(12345.0) == "12\u202f345"
    assert number(100.0) == "100"
    assert number(None) == number(NAN) == "–"
    assert format_count(1234567) == "1\u202f234\u202f567"
    assert [format_duration(s) for s in (0.42, 59.9, 95.4, 7260)] == ["0.4 s", "1 min 0 s", "1 min 35 s", "2 h 1 min"]


def test_a_track_puts_better_to_the_right_for_shares_and_errors() -> None:
    shares = track(Estimate(0.75, 0.5, 1.0), Estimate(1.0, 1.0, 1.0), 0.25)
    assert shares is not None
    assert (shares.low, shares.value, shares.high, shares.real, shares.chance) == (50, 75, 100, 100, 25)
    errors = track(Estimate(5.0, 4.0, 6.0), Estimate(2.0, 2.0, 2.0), 20.0, error=True)
    assert errors is not None
    assert (errors.chance, errors.low, errors.value, errors.high, errors.real) == (0, 70, 75, 80, 90)
    assert track(Estimate(NAN, 0.0, 1.0)) is None


def test_tiny_pictures_grow_by_whole_factors_and_large_ones_shrink() -> None:
    assert shown_size(Image.new("L", (8, 8))) == (64, 64)
    assert shown_size(Image.new("L", (28, 28))) == (84, 84)
    assert shown_size(Image.new("L", (128, 128))) == (128, 128)
    assert shown_size(Image.new("L", (512, 256))) == (224, 112)


def test_axes_have_a_few_round_ticks_between_their_ends() -> None:
    for low, high in ((0, 1), (0.6, 0.85), (-3, 17), (0, 2_000_000), (1e-5, 3e-5)):
        axis = Scale(low, high, 0, 100)
        assert 2 <= len(axis.ticks) <= 6
        assert len({axis.label(tick) for tick in axis.ticks}) == len(axis.ticks)
        assert all(0 <= axis(tick) <= 100 for tick in axis.ticks)
    assert scale([3.0, 3.0], 0, 1).low < 3 < scale([3.0, 3.0], 0, 1).high
    assert scale([0.0], 0, 1).high > 0


def test_curves_pair_training_with_validation_mark_warnings_and_leave_out_what_is_not_finite() -> None:
    entries = [*log(), {"images": 600_000, "loss": NAN}]
    charts = {chart.title: chart for chart in line_charts(json.loads(json.dumps(entries)))}
    assert set(charts) == {"loss", "gradient", "diversity", "condition_effect"}
    assert [line.name for line in charts["loss"].lines] == ["training", "validation"]
    assert charts["loss"].marks == (128_000,)
    assert len(charts["loss"].lines[0].points) <= 160
    assert [title for title, chart in charts.items() if chart.main] == ["loss", "diversity", "condition_effect"]
    assert line_charts([]) == []


def test_a_long_series_keeps_its_mean() -> None:
    chart: LineChart = line_charts([{"images": k, "loss": float(k)} for k in range(1000)])[0]
    xs, ys = zip(*chart.lines[0].points, strict=True)
    assert xs == ys
    assert sum(ys) / len(ys) == pytest.approx(499.5, rel=0.01)


# ---- in a browser


@in_browser
@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("width", [375, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_and_all_text_stands_out(
    page: Page, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    check_looks(page, pages[name], width, scheme)


@in_browser
@pytest.mark.parametrize("width", [375, 1200])
def test_the_headline_is_the_first_thing_one_sees(page: Page, pages: dict[str, Path], width: int) -> None:
    page.open(pages["digits"].as_uri(), width)
    top = page.run("return document.querySelector('h1').getBoundingClientRect().top")
    text = page.run("return document.body.innerText")
    assert 0 <= top < 100
    assert text.startswith(digits_report().headline)


@in_browser
def test_small_pictures_are_enlarged_without_smoothing(page: Page, pages: dict[str, Path]) -> None:
    page.open(pages["digits"].as_uri())
    shown = page.run(
        "const [image] = document.images;"
        "return [image.width, image.naturalWidth, getComputedStyle(image).imageRendering]"
    )
    assert shown == [64, 8, "pixelated"]


@in_browser
def test_explanations_open(page: Page, pages: dict[str, Path]) -> None:
    page.open(pages["digits"].as_uri(), 375)
    before = page.run("return document.documentElement.scrollHeight")
    for summary in page.all("summary"):
        page.run("arguments[0].scrollIntoView({block: 'center'})", summary)
        summary.click()
    assert page.run("return [...document.querySelectorAll('details')].every((details) => details.open)")
    assert page.run("return document.documentElement.scrollHeight") > before + 200


@in_browser
def test_paper_is_white_and_shows_what_is_folded_away(page: Page, pages: dict[str, Path]) -> None:
    page.open(pages["digits"].as_uri())
    page.prefer("dark", media="print")
    assert page.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    shown = "return document.querySelector('details dl').getBoundingClientRect().height"
    assert page.run(shown) > 100
