"""A trained run: opening, sampling, editing."""

from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.arrays import Array
from condgen.conditioning.between import EncodedBetween
from condgen.data import DataSource
from condgen.data.coordinates import Coordinates
from condgen.errors import RequestError
from condgen.heap import keep_freed_memory
from condgen.models import Model
from condgen.models.protocols import HasConditionEncoder, Prefers
from condgen.models.twins import with_part
from condgen.pixels import as_float
from condgen.progress import Progress
from condgen.rng import NumpyRng, Rng
from condgen.runs import hub
from condgen.runs.answering import Answering
from condgen.runs.editing import must_be_observations
from condgen.runs.exporting import export
from condgen.runs.header import coordinates_of, source_of
from condgen.runs.opening import opened
from condgen.runs.place import home
from condgen.runs.reading import likeliest
from condgen.runs.sampling import SamplingOptions
from condgen.schema import Condition, LabelDistribution
from condgen.training.checkpoint import WEIGHTS_ALONE, Info

if TYPE_CHECKING:
    from condgen.data import Splits


class Run(Answering):
    """A trained model with its schema and the data's joint distribution of attributes."""

    model: Model

    def __init__(self, model: Model, joint: LabelDistribution, info: Info, path: Path, trust: bool = False):
        self.model = model.eval()
        self.joint = joint
        self.info = info
        self.path = path
        self.trust = trust

    @classmethod
    def open(cls, path: str | Path, device: str | torch.device | None = None, trust: bool = False) -> "Run":
        """The run in a folder, or in a file of exported weights, on the best available device.

        trust: the run may name any place as its data, also one that was not used here before (docs/security.md).

        Its weights are the averaged ones. Raises RunError if there is no readable run, and RequestError for an
        exported ONNX model, which `condgen.open_generator` opens.
        """
        path = home(path)
        return cls(*opened(path, device), path, trust)

    def __repr__(self) -> str:
        info = self.info
        examples = self.schema.example if self.model.conditional else "nothing"
        kind, of = ("Weights", "") if info.holds == WEIGHTS_ALONE else ("Run", f" of {self.source.describe()}")
        return (
            f"{kind} {self.path}: {info.recipe['model']}, trained on {info.images:,} {info.kind}{of}\n"
            f"  can be asked for {examples}"
        )

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the weights."""
        return self.model.fingerprint

    @property
    def source(self) -> DataSource:
        """The source of the training data."""
        return source_of(self.info)

    @property
    def coordinates(self) -> Coordinates | None:
        """The coordinates of the generated vectors. None for images."""
        return coordinates_of(self.info)

    @property
    def folder(self) -> Path:
        """The folder in which its reports are kept. Raises RequestError for exported weights, which have none."""
        if self.path.is_file():
            raise RequestError(f"{self.path} is a file, so nothing can be kept with it. Name a folder (`out=DIR`).")
        return self.path

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        token: str | None = None,
        device: str | torch.device | None = None,
        trust: bool = False,
    ) -> "Run":
        """The run of this name on the Hugging Face Hub, `owner/name`, or in a local folder.

        revision: a branch, a tag or a commit.
        token: for private ones.

        It holds no code, and is trusted no more than any other run (see `open`). Raises errors as `open` does, and
        MissingExtraError without the package huggingface_hub.
        """
        place = name if Path(name).exists() else hub.fetched(str(name), revision, token)
        return cls.open(place, device, trust)

    def push_to_hub(
        self, name: str, *, space: bool = False, private: bool = False, token: str | None = None, **settings: Any
    ) -> str:
        """Share the run on the Hugging Face Hub as `owner/name`, and return its address.

        space: push a Space that serves the run over HTTP, instead of the model.
        settings: `licence` of the weights, `data_licence` of the training data, for the card. The card shows the report
            of `condgen.evaluate`, if the run's folder has one.

        What is pushed is what `export("hub", FOLDER)` writes, or `export("space", FOLDER)`. Raises RequestError for a
        wrong name or setting, and RunError if the Hub refuses or cannot be reached.
        """
        hub.must_be_a_name(name)
        with TemporaryDirectory() as place:
            folder = self.export("space" if space else "hub", Path(place) / "run", name=name, **settings)
            return hub.pushed(folder, name, "space" if space else "model", private=private, token=token)

    def export(self, to: str, path: str | Path, **settings: Any) -> Path:
        """Write the run in another form to a new path, which is returned.

        to: "weights" is the one small file that sampling needs, which `Run.open` opens. "onnx" is a model that answers
            requests without PyTorch. "hub" is the folder that
            `push_to_hub` pushes. Other packages bring other forms.
        settings: of the form. Raises RequestError for an unknown form or setting, or a path that is in use.
        """
        return export(self, to, path, **settings)

    def must_have_data(self) -> None:
        """Raise RunError if its training data cannot be loaded again, or may not be. Nothing is loaded."""
        from condgen.runs.data import must_have_data  # readers of data are of no use to sampling

        must_have_data(self.path, self.info, trust=self.trust)

    def data(self, address: str | None = None, progress: Progress | None = None) -> "Splits":
        """The training data, or the data at an address, loaded in the same way.

        Raises RunError if it cannot be loaded again or has changed.
        """
        from condgen.runs.data import load_again

        return load_again(self.path, self.info, address, progress, self.trust)

    def use_threads(self, most: int) -> None:
        """Compute with so many threads from now on, when the calling thread asks."""
        torch.set_num_threads(most)

    def shed(self) -> None:
        """Forget the weights. What can be asked, and how, is still known."""
        self.fingerprint  # noqa: B018 (it is kept)
        self.model.to("meta")

    @torch.inference_mode()
    def from_streams(
        self,
        condition: Condition,
        rng: NumpyRng,
        sampling: SamplingOptions | None = None,
        unwanted: Condition | None = None,
    ) -> Float[Tensor, "batch ..."]:
        """One observation per condition, each with the noise of its random stream, [batch, *shape] on the CPU."""
        assert isinstance(rng, Rng), "the streams of a run draw tensors"
        keep_freed_memory()
        arguments = (sampling or SamplingOptions()).arguments(self.model, unwanted)
        x = self.model.sample(condition.to(self.model.device), rng, **arguments)
        x = x.float().cpu().contiguous()
        return x.clamp(0, 1) if x.dim() == 4 else x  # a Gaussian's mean may lie outside

    def preference(self, x: Float[Array, "batch ..."], condition: Condition) -> Float[Array, " batch"]:
        """A score of each observation under its condition: by the model's own critic or, for a model without one, by a
        judge that no evaluation uses. It is trained on the run's data at first. Raises RunError without that data, and
        RequestError if there are no attributes either.
        """
        return self._scorer(torch.as_tensor(x), condition)

    @cached_property
    def _scorer(self) -> Callable[[Tensor, Condition], Tensor]:
        if isinstance(model := self.model, Prefers):
            return lambda x, condition: model.preference(x.to(model.device), condition.to(model.device)).float().cpu()
        return self._judge_of(self.data)

    def choose_by(self, data: "Splits") -> None:
        """Let the judge that chooses the best of several candidates learn from this data, which is like the run's own.

        A model with a critic chooses by that.
        """
        if not isinstance(self.model, Prefers):
            self._scorer = self._judge_of(lambda progress: data)

    def _judge_of(self, data: "Callable[..., Splits]") -> Callable[[Tensor, Condition], Tensor]:
        if not len(self.schema):
            raise RequestError(
                f"Nothing tells which of several candidates is the best: {self._name} has no critic of samples, and "
                "the run no attributes. Leave out `best_of`."
            )
        # Of a room that comes after this one.
        judged: Callable[[Tensor, Condition], Tensor] = import_module("condgen.evaluation.judge.choosing").scorer(
            data, self.model.device
        )
        return judged

    def must_interpolate(self) -> None:
        """Raise RequestError unless the model encodes conditions, so that there is a way between two of them."""
        if not isinstance(self.model, HasConditionEncoder):
            raise RequestError(f"The model {self._name} has no encodings of conditions to interpolate.")

    def model_towards(self, end: Condition, shares: Float[Tensor, " batch"]) -> Model:
        """The model with the condition of each sample encoded a share of the way to that of `end`."""
        assert isinstance(self.model, HasConditionEncoder), "others are refused before"
        encoder, device = self.model.condition_encoder, self.model.device
        return with_part(self.model, encoder, EncodedBetween(encoder, end.to(device), shares.to(device)))

    def read(self, x: Any, samples: int = 8, most: int = 1000) -> Condition:
        """The most likely condition of each x under the model, among the `most` most frequent (see `reading`).

        x: observations [n, *shape], or samples or a part of a dataset.

        Raises RequestError if they have another shape, if the model has no likelihood, or the training data no complete
        combination.
        """
        x = as_float(torch.as_tensor(getattr(x, "x", x)))
        must_be_observations(x, self.shape)
        try:
            return likeliest(self.model, self.joint, x, samples, most)
        except RequestError as error:
            raise RequestError(f"{self.path}: {error}") from None
