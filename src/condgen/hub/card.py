"""The card of a shared model: what it makes, how well, trained on what, under which licence, and how to use it."""

import re
import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple

import jinja2

from condgen.errors import shorten
from condgen.evaluation.metrics.attribute_obedience import AttributeObedience
from condgen.evaluation.report import Report
from condgen.extras import explained
from condgen.hub.licences import licence_of, public_name
from condgen.models.protocols import Discovers
from condgen.models.registry import FAMILIES
from condgen.pages.html import format_count, number, percent
from condgen.runs.run import Run
from condgen.schema import Attribute

HOME = "https://pypi.org/project/condgen"
MARKUP = re.compile(r"([\\`*_{}\[\]<>|#$~])")  # characters that Markdown takes for more than text
LONGEST = 200  # characters of a cell
VALUES = 20  # of an attribute, at most


class Row(NamedTuple):
    """A result beside that of real data."""

    question: str
    made: str
    real: str


def card(
    run: Run, report: Report | None, name: str, *, licence: str = "", data_licence: str = "", picture: str = ""
) -> str:
    """The card in Markdown, with its facts for machines (tags, licence, results) in front as YAML.

    name: on the Hub.
    picture: a file beside the card.

    Raises MissingExtraError without the package huggingface_hub.
    """
    data = public_name(run.source)
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("condgen.hub"),
        autoescape=False,  # noqa: S701 (Markdown; `plain` escapes what it would take for more than text)
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {"plain": plain, "count": format_count, "quoted": shlex.quote}
    return env.get_template("card.md").render(
        front=_front(run, report, name, licence, data),
        name=name,
        run=run,
        report=report,
        rows=list(_rows(report)) if report else [],
        picture=picture,
        kind="images" if len(run.shape) == 3 else "vectors",
        family=FAMILIES[run.info.recipe["model"]].sentence,
        examples=None if isinstance(run.model, Discovers) else int(run.joint.counts.sum()),  # of codes, they were drawn
        data=data,
        attributes=[(a.name, a.kind, _values(a), shorten(a.example, LONGEST)) for a in run.schema],
        ask=_ask(run),
        licence=licence,
        data_licence=data_licence or licence_of(run.source),
        home=HOME,
    )


def plain(text: object) -> str:
    """A text on one line, with everything escaped that Markdown would interpret. Names come from data."""
    return MARKUP.sub(r"\\\1", shorten(str(text), 2_000))


def _front(run: Run, report: Report | None, name: str, licence: str, data: str) -> str:
    """The facts for machines, as the Hub's own library writes them."""
    with explained():
        from huggingface_hub import ModelCardData
    images = len(run.shape) == 3
    facts = ModelCardData(
        license=licence or None,
        library_name="condgen",
        pipeline_tag="unconditional-image-generation" if images else None,
        tags=["condgen", "conditional-generation", str(run.info.recipe["model"])],
        datasets=[data.removeprefix("hf:")] if data.startswith("hf:") else None,
        model_name=name.partition("/")[2],
        eval_results=_results(report, data) if report else None,
    )
    return facts.to_yaml().strip()


def _results(report: Report, data: str) -> Any:
    """The main numbers of a report, as the Hub lists them beside those of other models."""
    from huggingface_hub import EvalResult

    found = {f"frechet-distance-{each.features}": each.overall.frechet for each in report.fidelity}
    if report.obedience:
        found["obedience"] = report.obedience.joint
    what, on = "conditional-generation", data or "private"
    return [EvalResult(what, on, on, name, round(each.value, 4)) for name, each in found.items() if each.known] or None


def _rows(report: Report) -> Iterator[Row]:
    """Every result that has one of real data beside it."""
    if found := report.obedience:
        if len(found.attributes) > 1:
            yield Row("all attributes as asked", percent(found.joint), percent(found.joint_real))
        for a in found.attributes:
            yield Row(_question(a), _scored(a, a.asked), _scored(a, a.real))
    for each in report.fidelity:
        what = f"Fréchet distance from held-out data, in features of {each.features}"
        yield Row(what, number(each.overall.frechet), number(each.floor.frechet))
        yield Row("held-out data that samples cover", percent(each.overall.coverage), percent(each.floor.coverage))
    copies = report.memorisation
    yield Row("copies of a training example", percent(copies.copies), percent(copies.copies_real))


def _question(a: AttributeObedience) -> str:
    return f"{a.name}: error on average" if a.measured else f"{a.name} as asked"


def _scored(a: AttributeObedience, value: Any) -> str:
    return number(value) if a.measured else percent(value)


def _values(a: Attribute) -> str:
    """The values of an attribute, the first ones of many."""
    if a.choices:
        more = f", … ({len(a.choices)} in all)" if len(a.choices) > VALUES else ""
        return ", ".join(a.choices[:VALUES]) + more
    return f"{a.limits[0]:g} to {a.limits[1]:g}" if a.limits else "numbers"


def _ask(run: Run) -> str:
    """An example of a request. Empty for a model that cannot be asked."""
    first = next(iter(run.schema), None) if run.model.conditional else None
    return shorten(first.example, LONGEST) if first else ""
