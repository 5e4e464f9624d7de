"""How a run is measured, and what of that must agree where numbers are compared."""

from dataclasses import dataclass
from typing import Any

from condgen.data import Splits
from condgen.errors import RequestError
from condgen.evaluation.judge.features import extractor, must_be_known
from condgen.evaluation.judge.held_out import judge_splits
from condgen.evaluation.judge.judge import VERSION as JUDGE
from condgen.evaluation.judge.judge import Judge

LABELS = ("data", "uniform")
MIN_EDITS = 20  # observations with all their labels, below which nothing is said about edits
MIN_SAMPLES = 100  # in all, below which nothing is worth saying
BRIEF: dict[str, Any] = {"samples": 2_000, "pairs": 500, "useful": 0, "edits": 0}  # enough to see what is wrong
VERSION = 1  # of how things are measured: numbers of different versions are not compared


@dataclass(frozen=True)
class MeasuringProtocol:
    """How a report's numbers were measured; reports with different protocols are not compared.

    samples:   how many were judged. labels: what was asked, `data` as in held-out data or `uniform` over combinations.
    features:  which the distances were measured on. reference: fingerprint of the held-out data, of size `held_out`.
    judge:     identity of the judge: the fingerprint of its training data and its version.
    pairs:     counterfactual samples per attribute. useful: images that the predictors of usefulness were trained on.
    """

    samples: int
    labels: str
    features: tuple[str, ...]
    reference: str
    held_out: int
    judge: str
    pairs: int
    useful: int
    seed: int
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How a run is measured.

    samples:  how many are generated and judged. labels: what they are asked for, in the held-out data's own proportions
              (`data`) or every combination as often as any other (`uniform`). Distances always use the former.
    features: what distances are measured on, see `extractor`. pairs: counterfactual samples per attribute.
    useful:   images that a predictor is trained on to see whether samples can stand in for data; 0 leaves that out.
    edits:    held-out observations edited per attribute, where a model can; 0 leaves that out.
    latents:  training observations encoded for probes of the latent, and held-out ones to read, where a model can
              encode; 0 leaves that out, which a flow in the pixels of photographs would take long over.
    ask:      requests in a person's words, each measured as a whole, see `ask`.
    seed:     of sample 0, and of what is asked.

    Raises RequestError for numbers and names that cannot be meant.
    """

    samples: int = 10_000
    labels: str = "data"
    features: tuple[str, ...] = ("judge",)
    pairs: int = 1_000
    useful: int = 60_000
    edits: int = 200
    latents: int = 5_000
    ask: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < MIN_SAMPLES:
            raise RequestError(f"{self.samples} samples are too few; take at least {MIN_SAMPLES} (`samples=10000`).")
        if self.labels not in LABELS:
            raise RequestError(f"Labels are asked for as in the '{LABELS[0]}' or '{LABELS[1]}', not '{self.labels}'.")
        if not self.features or min(self.pairs, self.useful, self.edits, self.latents, self.seed) < 0:
            raise RequestError(
                "There must be features to measure on; pairs, useful, edits, latents and seed cannot be negative."
            )
        if 0 < self.edits < MIN_EDITS:
            raise RequestError(
                f"{self.edits} edits are too few; take at least {MIN_EDITS} (`edits=200`), or none (`edits=0`)."
            )
        for name in self.features:
            must_be_known(name)

    def protocol(self, data: Splits, judge: Judge) -> MeasuringProtocol:
        """The protocol of what is measured like this on this data."""
        return MeasuringProtocol(
            samples=self.samples,
            labels=self.labels,
            features=tuple(extractor(name, judge).name for name in self.features),
            reference=data.test.fingerprint,
            held_out=len(data.test),
            judge=f"{judge_splits(data).train.fingerprint}-v{JUDGE}",
            pairs=self.pairs,
            useful=self.useful,
            seed=self.seed,
        )
