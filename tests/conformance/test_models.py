"""Every family × mechanism × prior × attribute kind × sort of data keeps the promises of `condgen.testing`.

A new family is tested by being in FAMILIES: what it must show follows from what it can do and its builder's arguments.
"""

import os
from dataclasses import dataclass
from functools import cache
from itertools import product

import pytest
import torch
from _pytest.mark import ParameterSet

from condgen.conditioning import MECHANISMS
from condgen.models import FAMILIES
from condgen.models.vae.priors import PRIORS
from condgen.parameters import keyword_arguments
from condgen.testing import ATTRIBUTES, CHECKS, Lesson
from tests.unchecked import unchecked

CROSSED = ("concat", "film", "norm", "modulate")
BF16 = os.environ.get("CONDGEN_TEST_PRECISION") == "bf16"  # a variation of `make robust`


@dataclass(frozen=True)
class Case:
    name: str
    kind: str
    sort: str
    arguments: tuple[tuple[str, str | int | float], ...] = ()

    def __str__(self) -> str:
        return "-".join([self.name, self.kind, self.sort, *(str(v) for _, v in self.arguments)])

    @property
    def crossed(self) -> bool:
        """Whether it only crosses what others show apart: one kind of attribute, and not the family's own mechanism.

        GANs that differ in the critic's head alone show other mechanisms for each other. Of families that learn slowly,
        single kinds that `all` holds, other mechanisms and images, where vectors are learned too, count as shown by
        others.
        """
        own = keyword_arguments(FAMILIES[self.name].builder).get("mechanism")
        by = dict(self.arguments).get("mechanism", own)
        other, single = by != own, self.kind != "all"
        if learns_slowly(self.name):
            images = self.sort == "image" and "vector" in FAMILIES[self.name].suits
            return other or images or self.kind in {a.kind for a in ATTRIBUTES["all"]}
        return other and (single or shown_by_another_head(self.name, str(by)))


def shown_by_another_head(family: str, mechanism: str) -> bool:
    """Whether a mechanism is shown by another GAN, one that differs from this family in the critic's head alone."""
    heads = [name for name, each in FAMILIES.items() if "critic_mechanism" in keyword_arguments(each.builder)]
    quick = [name for name in heads if not learns_slowly(name)]
    return family in heads and family != quick[[*MECHANISMS].index(mechanism) % len(quick)]


def learns_slowly(family: str) -> bool:
    return FAMILIES[family].practice.steps >= 300


def whose_turn(mechanism: str, kind: str, sort: str) -> str | None:
    """The family in which a mechanism other than its own meets a kind of attribute alone."""
    if mechanism not in CROSSED:
        return None
    able = [name for name in FAMILIES if sort in FAMILIES[name].suits and crosses(name, mechanism, sort)]
    return able[(CROSSED.index(mechanism) + [*ATTRIBUTES].index(kind)) % len(able)] if able else None


def crosses(family: str, mechanism: str, sort: str) -> bool:
    """Whether a family learns quickly enough, and by another mechanism if it is not told one."""
    own = keyword_arguments(FAMILIES[family].builder).get("mechanism", mechanism)
    return own != mechanism and not learns_slowly(family) and (sort == "vector" or learns_images_quickly(family))


def learns_images_quickly(family: str) -> bool:
    return FAMILIES[family].practice.steps <= 120


def cases() -> list[Case]:
    """Each kind of attribute by a family's own mechanism; every mechanism, prior and variant with all kinds together.

    Other mechanisms meet single kinds in one family each, by turns: a mechanism does not know its family. Attention
    meets none. Families that are slow to train see single kinds in vectors only.
    """
    found = []
    for name, sort in product(FAMILIES, ("image", "vector")):
        family, known = FAMILIES[name], keyword_arguments(FAMILIES[name].builder)
        if sort not in family.suits:
            continue
        if "mechanism" not in known or (sort == "image" and not learns_images_quickly(name)):
            found.append(Case(name, "all", sort))
            continue
        pairs = [
            (m, k)
            for m, k in product(MECHANISMS, ATTRIBUTES)
            if m != "none" and (k == "all" or m == known["mechanism"] or name == whose_turn(m, k, sort))
        ]
        variants = [(k, (("mechanism", m),)) for m, k in pairs]
        variants += [("all", (("prior", p),)) for p in PRIORS if "prior" in known and p != known["prior"]]
        variants += [("all", tuple(arguments.items())) for arguments in family.variants]
        found += [Case(name, kind, sort, arguments) for kind, arguments in variants]
    return found


@cache
@unchecked()
def lesson(case: Case) -> Lesson:
    """The case's lesson, learned; the checks look at single calls, with their types."""
    found = Lesson(case.name, FAMILIES[case.name], case.kind, case.sort, dict(case.arguments))
    # Without the cache, which would keep the first weights for all of the training.
    with torch.autocast("cpu", torch.bfloat16, enabled=BF16, cache_enabled=False):
        assert found.model  # whose first look trains it
    return found


def marked(check: str) -> ParameterSet:
    return pytest.param(check, marks=[pytest.mark.statistical] * CHECKS[check].statistical)


@pytest.mark.parametrize("check", [marked(check) for check in CHECKS])
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] * case.crossed, id=str(case)) for case in cases()]
)
def test_a_family_keeps_its_promises(case: Case, check: str) -> None:
    compared = CHECKS[check].run(lesson(case)) if CHECKS[check].concerns(lesson(case)) else None
    for larger, smaller in compared or ():  # whose room `make robust` measures
        assert larger > smaller
