import re
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from PIL import Image

from condgen.data import Splits
from condgen.errors import RequestError
from condgen.evaluation.judge.judge import train_judge
from condgen.pages.gallery import SECTIONS, GalleryContext, gallery
from condgen.pages.gallery.asking import common, every_value, rare
from condgen.pages.gallery.sampled import WEIGHTS
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.runs.train import train
from tests.browser import Page, in_browser
from tests.conftest import SMALL, Command
from tests.pages.looks import check_looks


class Tags(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids.add(given.get("id") or "")
        if tag == "img":
            self.images.append(given)


def sections(look: GalleryContext, *names: str) -> dict[str, object]:
    return {s.name: s for s in gallery(look, names).sections}


# ---- what is asked


def test_unasked_a_gallery_shows_every_value_and_common_and_rare_combinations(points: Run) -> None:
    look = GalleryContext(points)
    texts = [r.text for r in every_value(look)]
    assert {t.partition("=")[0] for t in texts} == set(points.schema.names)
    assert sum(t.startswith("angle=") for t in texts) == 3
    often, seldom = common(look), rare(look)
    assert len(often) == 4
    assert not {r.text for r in often} & {r.text for r in seldom}


# ---- samples


def test_samples_are_those_of_the_command_beside_them(run: Run, command: Command, tmp_path: Path) -> None:
    look = GalleryContext(run, tuple(run.requests("digit=3|5")), seed=4, columns=3)
    (section,) = gallery(look, ["requests"]).sections
    ((row,),) = [panel.rows for panel in section.panels]
    words = shlex.split(section.panels[0].commands[0])
    words[words.index("samples")] = str(tmp_path / "again")
    assert command(*words[1:]).status == 0
    for k, x in enumerate(row.x):
        with Image.open(tmp_path / "again" / f"{k:06d}.png") as image:
            assert image.tobytes() == bytes((x * 255).round().to(torch.uint8).flatten().tolist())


def test_a_sweep_changes_one_attribute_and_its_command_repeats_it(run: Run) -> None:
    (section,) = gallery(GalleryContext(run, seed=2), ["sweeps"]).sections
    panel = section.panels[0]
    assert panel.columns == tuple(f"digit={k}" for k in range(10))
    for k, row in enumerate(panel.rows):
        words = shlex.split(panel.commands[k])
        requests, seed = words[3:13], int(words[words.index("--seed") + 1])
        torch.testing.assert_close(row.x, run.sample(requests, n=1, seed=seed).x)


def test_guidance_goes_from_none_to_much_with_one_noise(flow: Run) -> None:
    (section,) = gallery(GalleryContext(flow, tuple(flow.requests("digit=3"))), ["guidance"]).sections
    (panel,) = section.panels
    assert panel.columns[0] == "guidance 0"
    plain = flow.sample("digit=3", n=4, guidance=1).x
    torch.testing.assert_close(torch.stack([row.x[1] for row in panel.rows]), plain)


def test_guidance_within_an_interval_is_that_of_the_commands(flow: Run) -> None:
    how = SamplingOptions(guidance={"digit": 1.5}, interval=(0.2, 0.8), steps=2)
    look = GalleryContext(flow, tuple(flow.requests("digit=3")), sampling=how)
    assert look.command("sample").endswith(" --guidance digit=1.5 --interval 0.2..0.8 --steps 2")
    (section,) = gallery(look, ["guidance"]).sections
    (panel,) = section.panels
    assert ["--interval 0.2..0.8" in shown for shown in panel.commands] == [weight != 1 for weight in WEIGHTS]
    within = flow.sample("digit=3", n=4, guidance=3, interval=(0.2, 0.8), steps=2).x
    torch.testing.assert_close(torch.stack([row.x[WEIGHTS.index(3)] for row in panel.rows]), within)


# ---- interpolations


def test_photographs_are_interpolated_from_one_end_to_the_other(run: Run, digits: Splits) -> None:
    (section,) = gallery(GalleryContext(run, data=digits), ["interpolations"]).sections
    assert [p.title for p in section.panels] == [
        "Between two requests",
        "Between two noises",
        "Between two photographs",
    ]
    for k, row in enumerate(section.panels[2].rows):
        torch.testing.assert_close(row.x[0], digits.test.floats[2 * k])
        torch.testing.assert_close(row.x[-1], digits.test.floats[2 * k + 1])


# ---- the data's sections


def test_edits_show_the_original_and_what_was_asked(run: Run, digits: Splits) -> None:
    (section,) = gallery(GalleryContext(run, tuple(run.requests("digit=7")), data=digits), ["edits"]).sections
    first, second = section.panels
    assert "--strength 1.5" in first.commands[1]
    assert "--decoded" in second.commands[1]
    assert first.columns == ("original", "decoded", "digit=7")
    for k, row in enumerate(first.rows):
        torch.testing.assert_close(row.x[0], digits.test.floats[k])
        assert row.captions[2] in ("digit=7", "no change")


def test_the_nearest_training_images_are_the_nearest(run: Run, digits: Splits) -> None:
    (section,) = gallery(GalleryContext(run, data=digits), ["neighbours"]).sections
    row = section.panels[0].rows[0]
    distances = (digits.train.floats - row.x[0]).flatten(1).norm(dim=1).sort().values
    assert row.captions[1:] == tuple(f"at {d:.2f}" for d in distances[:3].tolist())


def test_a_sweep_is_judged_by_what_varies_and_what_was_asked_not_by_its_example_of_the_rest(points: Run) -> None:
    first, second, *others = points.schema
    text = next(r.text for r in every_value(GalleryContext(points)) if second.name in r.constraints)
    look = GalleryContext(points, tuple(points.requests(text)))
    shown = look.shown(look.base(2), first)
    assert shown.given(first.name).all()
    assert shown.given(second.name).all()
    assert not any(shown.given(a.name).any() for a in others)


def test_a_judge_says_what_is_not_as_asked(run: Run, digits: Splits) -> None:
    judge = train_judge(digits.train.x, digits.train.condition, images=10_000)
    (section,) = gallery(GalleryContext(run, tuple(run.requests("digit=*")), judge=judge), ["requests"]).sections
    for panel in section.panels:
        for k, row in enumerate(panel.rows):
            seen = judge.predict(row.x).values["digit"]
            assert row.remark == f"the judge reads {int((seen == k).sum())} of 10 as asked"
            assert row.captions == tuple("" if s == k else f"reads digit={int(s)}" for s in seen.tolist())


# ---- the page


@pytest.mark.parametrize("which", ["run", "unconditional", "flow"])
def test_a_page_needs_nothing_but_itself(which: str, digits: Splits, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue(which)
    page = gallery(GalleryContext(run, data=digits, columns=2)).html()
    tags = Tags(page)
    assert tags.images
    assert all(str(i["src"]).startswith("data:image/webp;base64,") and i["alt"] for i in tags.images)
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    assert set(SECTIONS) <= tags.ids


@in_browser
@pytest.mark.parametrize(("width", "scheme"), [(375, "light"), (1200, "dark")])
def test_all_of_it_can_be_seen_by_everybody(
    page: Page, run: Run, digits: Splits, tmp_path: Path, width: int, scheme: str
) -> None:
    (tmp_path / "gallery.html").write_text(gallery(GalleryContext(run, data=digits, columns=2)).html(), "utf-8")
    check_looks(page, tmp_path / "gallery.html", width, scheme)


def test_what_a_model_cannot_do_is_said(unconditional: Run, run: Run) -> None:
    for look, missing in (
        (GalleryContext(unconditional), {"sweeps", "guidance", "edits", "neighbours"}),
        (GalleryContext(run), {"guidance"}),
    ):
        for section in gallery(look).sections:
            assert bool(section.panels) != bool(section.without), section.name
            assert section.panels or section.name in missing | {"edits", "neighbours"}


def test_vectors_and_unknown_sections_are_refused(points: Run, run: Run) -> None:
    with pytest.raises(RequestError, match="vectors"):
        gallery(GalleryContext(points))
    with pytest.raises(RequestError, match="sweeps"):
        gallery(GalleryContext(run), ["sweep"])


# ---- the command


def test_the_command_writes_a_page_and_pictures(command: Command, run: Run, tmp_path: Path) -> None:
    page, sheets = tmp_path / "deep" / "page.html", tmp_path / "sheets"
    shown = command("gallery", run.path, "digit=3", "--only", "requests,edits", "-o", page, "--png", sheets, "-n", 2)
    assert shown.status == 0, shown.err
    assert "digit=3" in page.read_text()
    assert {p.name.split("-")[0] for p in sheets.iterdir()} == {"requests", "edits"}
    again = command("gallery", run.path, "--only", "requests", "-o", page, "--png", sheets)
    assert again.status == 2
    assert str(sheets) in again.err


def test_a_page_without_a_name_lies_in_the_run(command: Command, run: Run, tmp_path: Path) -> None:
    copied = shutil.copytree(run.path, tmp_path / "run")
    assert command("gallery", copied, "digit=3", "--only", "requests", "-n", 1).status == 0
    assert (copied / "gallery.html").is_file()


def test_only_a_gallery_is_replaced(
    command: Command, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, photo = tmp_path / "page.html", tmp_path / "photo.html"
    photo.write_bytes(b"mine")
    for _ in range(2):
        assert command("gallery", run.path, "digit=3", "--only", "requests", "-n", 1, "--out", page).status == 0
    monkeypatch.setattr("condgen.pages.gallery.gallery", None)  # refused before anything is drawn
    for out, said in ((photo, "nothing was overwritten"), (tmp_path, f"such as {tmp_path / 'gallery.html'}")):
        result = command("gallery", run.path, "--out", out)
        assert result.status == 2
        assert said in result.err
    assert photo.read_bytes() == b"mine"


def test_without_its_data_a_run_is_shown_all_the_same(command: Command, digits: Splits, tmp_path: Path) -> None:
    in_memory = Splits(digits.train, digits.validation, digits.test)
    orphan = train("cvae", in_memory, tmp_path / "run", images=500, **SMALL)
    shown = command("gallery", orphan.path, "--only", "requests,neighbours", "-o", tmp_path / "page.html")
    assert shown.status == 0, shown.err
    assert "not at hand" in (tmp_path / "page.html").read_text()


def test_wrong_options_of_a_gallery_are_one_paragraph(command: Command, run: Run, tmp_path: Path) -> None:
    for wrong, named in ((["--only", "sweep"], "sweeps"), (["digit=77"], "'77'"), (["--guidance", "2"], "guidance")):
        result = command("gallery", run.path, *wrong, "-o", tmp_path / "page.html")
        assert result.status == 2
        assert named in result.err
        assert not (tmp_path / "page.html").exists()
