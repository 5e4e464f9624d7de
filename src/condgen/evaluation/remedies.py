"""Remedies: the settings that a finding may advise, checked against the run that it is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from condgen.errors import RequestError
from condgen.messages import setting
from condgen.models.registry import FAMILIES
from condgen.parameters import keyword_arguments, used, validated

LONGER = "Train longer (twice the `seconds` or `images`)."
EMBEDDING = 64  # numbers of an embedding that is advised
HEADS = ("projection", "reacgan", "adcgan")  # in the order in which they are advised


@dataclass(frozen=True)
class TrainedAs:
    """A run's family and its arguments, as far as remedies depend on them.

    family:    its name in `FAMILIES`; empty if it is not known, and then no setting is advised.
    arguments: given to its builder; defaults count for the rest.
    """

    family: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: Mapping[str, Any]) -> "TrainedAs":
        """A recipe's family, if it is known here, and its arguments."""
        known = recipe["model"] in FAMILIES
        return cls(recipe["model"], recipe.get("arguments", {})) if known else cls()

    @property
    def counting(self) -> dict[str, Any]:
        """All arguments that count in this run, defaults included."""
        return self._counting({})

    def _counting(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        if not self.family:
            return {}
        builder = FAMILIES[self.family].builder
        own = {name: value for name, value in self.arguments.items() if name in keyword_arguments(builder)}
        return used(builder, {**own, **changes}, strict=False)

    def accepts(self, **values: Any) -> bool:
        """Whether a run of this family with these values would differ from this one in every one of them."""
        if not self.family or not values.keys() <= keyword_arguments(FAMILIES[self.family].builder).keys():
            return False
        try:
            changed, present = self._counting(values), validated(FAMILIES[self.family].builder, self.counting)
        except RequestError:
            return False
        return all(name in changed and changed[name] != present[name] for name in values)

    def advise(self, **values: Any) -> str:
        """The mention of settings; empty where they do not apply."""
        return setting(**values) if self.accepts(**values) else ""

    @property
    def guided(self) -> bool:
        """Whether samples can be asked for with another guidance."""
        return "guidance" in self.counting and not {"sampler", "prior"}.isdisjoint(self.counting)

    @property
    def adversarial(self) -> bool:
        """Whether a critic is one of its players."""
        return "r1" in self.counting

    @property
    def another_head(self) -> str:
        """A conditional GAN whose critic has another head; empty for other families."""
        conditional = self.adversarial and "kernel" in self.counting
        return next((setting(model=name) for name in HEADS if conditional and name != self.family), "")

    @property
    def more_embedding(self) -> str:
        """An embedding, or a larger one, where the family has any."""
        return self.advise(embedding=max(EMBEDDING, 2 * int(self.counting.get("embedding", 0))))

    @property
    def against_an_idle_condition(self) -> str:
        """Another way for the condition into the network."""
        found = [self.advise(mechanism="film"), self.more_embedding, self.another_head]
        return sentence("Train with", found) or LONGER

    @property
    def against_alike_samples(self) -> str:
        """More variety, by what the family has for it."""
        if self.adversarial:
            return sentence("Train with", [self._augmentation, self.stronger_penalty], "and") or LONGER
        more = {} if self.counting.get("embedding") else {"embedding": EMBEDDING}
        return sentence("Train with an expressive prior:", [self.advise(prior="flow", **more)]) or LONGER

    @property
    def stronger_penalty(self) -> str:
        """A critic's penalty, at least ten times as strong as by default."""
        return self.advise(r1=max(1.0, 2 * float(self.counting.get("r1", 0.0))))

    @property
    def _augmentation(self) -> str:
        return "" if self.counting.get("augment") else self.advise(augment="translation")

    @property
    def against_an_overpowering_critic(self) -> str:
        """A critic that cannot win always."""
        return sentence("Train with", [self.stronger_penalty, self._augmentation]) or LONGER

    @property
    def against_paid_clarity(self) -> str:
        """Less pay for samples that are easily classified."""
        weight = float(self.counting.get("generator_weight", 0.0))
        found = [self.advise(generator_weight=weight / 10) if weight else "", self.another_head]
        return sentence("Train with", found) or LONGER

    @property
    def against_posterior_collapse(self) -> str:
        """A cheaper latent."""
        cheaper = self.advise(beta=float(self.counting.get("beta", 0.0)) / 5)
        return sentence("Weigh the KL term less:", [cheaper]) or LONGER


def sentence(start: str, settings: list[str], last: str = "or") -> str:
    """A sentence that lists the settings that apply; empty where none does."""
    *others, final = [each for each in settings if each] or [""]
    listed = f"{', '.join(others)} {last} {final}" if others else final
    return f"{start} {listed}." if listed else ""


def less_guidance(weight: float) -> str:
    """Half as far from none."""
    return setting(guidance=1 + (weight - 1) / 2)
