"""Settings of an evaluation, and the part of them that must agree for comparing numbers."""

from dataclasses import dataclass
from typing import Any

from condgen.data import Splits
from condgen.errors import RequestError
from condgen.evaluation.judge.features import identity, must_be_known
from condgen.evaluation.judge.held_out import judge_splits
from condgen.evaluation.judge.judge import VERSION as JUDGE

LABELS = ("data", "uniform")
MIN_EDITS = 20  # smallest number of fully labelled observations for measuring edits
MIN_SAMPLES = 100  # smallest number of samples for any result
BRIEF: dict[str, Any] = {"samples": 2_000, "pairs": 500, "useful": 0, "edits": 0, "folds": 0}  # enough to find faults
BRIEF_JUDGE = 30_000  # images for a judge that is trained for a brief look
MIN_JUDGE_IMAGES = 1_000  # smallest number of images in training the judge, and a predictor of usefulness
COMBINATIONS, FOLDS = 100, 3  # smallest number of examples of a combination, and number of cross-fitted judges
VERSION = 2  # version of the measurements; numbers of different versions are not compared


@dataclass(frozen=True)
class MeasuringProtocol:
    """The way in which a report's numbers were measured. Reports with different protocols are not compared.

    samples: number of judged samples.
    labels: the requests, `data` for the held-out data's proportions or `uniform` over combinations.
    features: the feature spaces of the distances.
    reference: fingerprint of the held-out data, of size `held_out`.
    judge: identity of the judge: the fingerprint of its training data, its version, and the number of presentations if
        it is not the usual one.
    pairs: counterfactual samples per attribute.
    useful: images for training the predictors of usefulness.
    combinations: smallest number of real examples of a combination, 0 for none. The usual one in older reports, which
        do not say.
    folds: number of cross-fitted judges that read them. The usual one in older reports.
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
    combinations: int = COMBINATIONS
    folds: int = FOLDS

    @property
    def judge_images(self) -> int | None:
        """Presentations in training the judge. None for the usual number."""
        chosen = self.judge.split("-")[2:]
        return int(chosen[0]) if chosen else None


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Settings of an evaluation.

    samples: number of generated and judged samples.
    labels: the requests: the held-out data's own proportions (`data`), or every combination equally often (`uniform`).
        Distances always use the former.
    features: the feature spaces of distances (see `extractor`).
    pairs: counterfactual samples per attribute.
    useful: images for training a predictor that shows whether samples can replace data. 0 switches it off.
    edits: held-out observations edited per attribute, for models that edit. 0 switches it off.
    latents: training observations encoded for probes of the latent, for models that encode. 0 switches it off, which
        saves much time for flows of photographs' pixels.
    ask: requests in words, each measured as a whole (see `ask`).
    combinations: smallest number of real examples of a combination of attributes whose obedience is reported. 0
        switches it off.
    folds: number of cross-fitted judges, which read all real data, where held-out data has fewer examples of some
        combination. With 0, only combinations with enough held-out examples are reported.
    judge_images: presentations in training the judge, by default 100,000 to 300,000 (see `train_judge`).
    seed: of sample 0 and of the requests.

    Raises RequestError for invalid numbers and names.
    """

    samples: int = 10_000
    labels: str = "data"
    features: tuple[str, ...] = ("judge",)
    pairs: int = 1_000
    useful: int = 60_000
    edits: int = 200
    latents: int = 5_000
    combinations: int = COMBINATIONS
    folds: int = FOLDS
    ask: tuple[str, ...] = ()
    seed: int = 0
    judge_images: int | None = None

    def __post_init__(self) -> None:
        for name in ("features", "ask"):
            if isinstance(one := getattr(self, name), str):  # a single one, as one writes it in Python
                object.__setattr__(self, name, (one,))
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
        if 0 < self.useful < MIN_JUDGE_IMAGES:
            raise RequestError(
                f"A predictor learns nothing from {self.useful:,} images; show it at least {MIN_JUDGE_IMAGES:,} "
                "(`useful=60000`), or none (`useful=0`)."
            )
        if self.combinations < 0 or self.folds < 0 or self.folds == 1:
            raise RequestError(
                "The smallest number of examples of a combination cannot be negative (`combinations=100`), and there "
                "are at least two cross-fitted judges (`folds=3`), or none (`folds=0`)."
            )
        if self.judge_images is not None and self.judge_images < MIN_JUDGE_IMAGES:
            raise RequestError(
                f"A judge learns nothing from {self.judge_images:,} images; show it at least {MIN_JUDGE_IMAGES:,} "
                "(`judge_images=50000`)."
            )
        for name in self.features:
            must_be_known(name)

    @property
    def _briefly_trained(self) -> list[str]:
        return [] if self.judge_images is None else [str(self.judge_images)]

    def protocol(self, data: Splits) -> MeasuringProtocol:
        """The protocol of an evaluation with these settings on this data.

        Raises RequestError if a package or weights of the features are missing.
        """
        return MeasuringProtocol(
            samples=self.samples,
            labels=self.labels,
            features=tuple(map(identity, self.features)),
            reference=data.test.fingerprint,
            held_out=len(data.test),
            judge="-".join([judge_splits(data).train.fingerprint, f"v{JUDGE}", *self._briefly_trained]),
            pairs=self.pairs,
            useful=self.useful,
            seed=self.seed,
            combinations=self.combinations,
            folds=self.folds,
        )
