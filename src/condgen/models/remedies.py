"""Remedies for the faults of models: settings to advise, each checked against the family and the run.

They serve warnings in training and the doctor.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from condgen.errors import RequestError
from condgen.messages import setting
from condgen.models.complaint import CLASSIFIER, COLLAPSE, IDLE, OVERPOWERING, Complaint
from condgen.models.registry import FAMILIES
from condgen.parameters import keyword_arguments, used, validated

LONGER = "Train longer (twice the `seconds` or `images`)."
EMBEDDING = 64  # smallest advised width of an embedding
CLASSIFYING = ("adcgan", "acgan", "tacgan")  # GANs whose critic classifies every attribute by itself
HEADS = ("projection", "reacgan", "adcgan")  # in the order of advice


@dataclass(frozen=True)
class TrainedAs:
    """A run's family and its arguments, as far as remedies depend on them.

    family: its name in `FAMILIES`. Empty if it is unknown, in which case no setting is advised.
    arguments: given to its builder. Defaults apply to the rest.
    """

    family: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: Mapping[str, Any]) -> "TrainedAs":
        """The family and arguments of a recipe, if the family is known here."""
        known = recipe.get("model") in FAMILIES
        return cls(recipe["model"], recipe.get("arguments", {})) if known else cls()

    def against(self, complaint: Complaint) -> str:
        """Advice against a fault that showed in training."""
        remedy = REMEDIES.get(complaint.name)
        return complaint.advice or (remedy(self) if remedy else LONGER)

    @property
    def in_effect(self) -> dict[str, Any]:
        """All arguments that take effect in this run, defaults included."""
        return self._in_effect({})

    def _in_effect(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        if not self.family:
            return {}
        builder = FAMILIES[self.family].builder
        own = {name: value for name, value in self.arguments.items() if name in keyword_arguments(builder)}
        return used(builder, {**own, **changes}, strict=False)

    def accepts(self, **values: Any) -> bool:
        """Whether these values are valid for this family, and each differs from the run's own."""
        if not self.family or not values.keys() <= keyword_arguments(FAMILIES[self.family].builder).keys():
            return False
        try:
            changed, present = self._in_effect(values), validated(FAMILIES[self.family].builder, self.in_effect)
        except RequestError:
            return False
        return all(name in changed and changed[name] != present[name] for name in values)

    def advise(self, **values: Any) -> str:
        """The mention of settings, or an empty text if they do not apply."""
        return setting(**values) if self.accepts(**values) else ""

    @property
    def guided(self) -> bool:
        """Whether samples can be generated with another guidance."""
        return "guidance" in self.in_effect and not {"sampler", "prior"}.isdisjoint(self.in_effect)

    @property
    def adversarial(self) -> bool:
        """Whether one of its players is a critic."""
        return "r1" in self.in_effect

    @property
    def another_head(self) -> str:
        """The mention of a conditional GAN with another head. Empty for other families."""
        return next((setting(model=name) for name in HEADS if self._with_head and name != self.family), "")

    @property
    def _with_head(self) -> bool:
        """Whether its critic has a head that can be exchanged."""
        return self.adversarial and "kernel" in self.in_effect

    @property
    def more_embedding(self) -> str:
        """The mention of an embedding, or a larger one, if the family has one."""
        return self.advise(embedding=max(EMBEDDING, 2 * int(self.in_effect.get("embedding", 0))))

    @property
    def against_an_idle_condition(self) -> str:
        """Advice for another way of the condition into the network."""
        found = [self.advise(mechanism="film"), self.more_embedding, self.another_head]
        return sentence("Train with", found) or LONGER

    @property
    def against_alike_samples(self) -> str:
        """Advice for more variety, by the settings that the family has for it."""
        if self.adversarial:
            return sentence("Train with", [self._augmentation, self.stronger_penalty], "and") or LONGER
        more = {} if self.in_effect.get("embedding") else {"embedding": EMBEDDING}
        return sentence("Train with an expressive prior:", [self.advise(prior="flow", **more)]) or LONGER

    @property
    def against_patterns(self) -> str:
        """Advice against patterns of pixels."""
        found = [self.advise(outputs=better) for better in ("deblocked", "spectrum")]
        plain = self.in_effect.get("outputs") == "pixels" and bool(found[0])
        at_once = f" This run needs no training: export its weights with {setting(deblock=True)}." if plain else ""
        return (sentence("Train with", found) or LONGER) + at_once

    @property
    def stronger_penalty(self) -> str:
        """The mention of a critic's penalty at least ten times as strong as the default."""
        return self.advise(r1=max(1.0, 2 * float(self.in_effect.get("r1", 0.0))))

    @property
    def _augmentation(self) -> str:
        return "" if self.in_effect.get("augment") else self.advise(augment="translation")

    @property
    def against_an_overpowering_critic(self) -> str:
        """Advice against a critic that always wins."""
        return sentence("Train with", [self.stronger_penalty, self._augmentation]) or LONGER

    @property
    def against_paid_clarity(self) -> str:
        """Advice for a smaller reward of easily classified samples."""
        weight = float(self.in_effect.get("generator_weight", 0.0))
        found = [self.advise(generator_weight=weight / 10) if weight else "", self.another_head]
        return sentence("Train with", found) or LONGER

    def against_rare_misses(self, names: Sequence[str]) -> str:
        """Advice for more of the rare values of these attributes, or of their rare combinations, in training."""
        if not names:
            return LONGER
        parts = "combinations" if len(names) > 1 else "values"
        told = "" if self.in_effect.get("label_weight") else self.advise(label_weight=1.0)
        apart = f"{told}, by which the critic has to tell values apart, or with " if told else ""
        return f"Train with {apart}{setting(balance=','.join(names))}, which shows their {parts} equally often."

    @property
    def against_unknown_labels(self) -> str:
        """Advice for a critic that learns what the values of an attribute look like."""
        return sentence("Train with", [self.advise(label_weight=1.0), "more data"])

    @property
    def against_lost_originals(self) -> str:
        """Advice for edits that keep what they should not change."""
        kept = "" if self.in_effect.get("preserve") else self.advise(preserve=1.0)
        return f"Edit with a smaller strength, or train with {kept}." if kept else "Edit with a smaller strength."

    @property
    def against_leakage(self) -> str:
        """The mention of a GAN whose critic judges every attribute by itself. Empty for other families."""
        return setting(model=CLASSIFYING[0]) if self._with_head and self.family not in CLASSIFYING else ""

    @property
    def against_posterior_collapse(self) -> str:
        """Advice for a smaller weight of the KL term."""
        cheaper = self.advise(beta=float(self.in_effect.get("beta", 0.0)) / 5)
        return sentence("Weigh the KL term less:", [cheaper]) or LONGER


REMEDIES: dict[str, Callable[[TrainedAs], str]] = {
    COLLAPSE: lambda trained: trained.against_alike_samples,
    IDLE: lambda trained: trained.against_an_idle_condition,
    OVERPOWERING: lambda trained: trained.against_an_overpowering_critic,
    CLASSIFIER: lambda trained: trained.against_paid_clarity,
}


def sentence(start: str, settings: list[str], last: str = "or") -> str:
    """A sentence that lists the settings that apply, or an empty text if none does."""
    *others, final = [each for each in settings if each] or [""]
    listed = f"{', '.join(others)} {last} {final}" if others else final
    return f"{start} {listed}." if listed else ""


def less_guidance(weight: float) -> str:
    """The mention of a guidance half as far from 1."""
    return setting(guidance=1 + (weight - 1) / 2)
