"""Bodies of requests and answers, as the API's description shows them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, field_validator

from condgen.runs.sampling import SamplingOptions

Format = Literal["json", "ndjson", "png", "multipart"]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e30, le=1e30)]
Weight = Annotated[float, Field(allow_inf_nan=False, ge=-1_000, le=1_000)]  # more guidance gives no samples
LONGEST = 20_000  # characters of one text
MOST_TEXT = 100_000  # characters of all texts of a request, which take seconds to read
Text = Annotated[StrictStr, Field(max_length=LONGEST)]
Name = Annotated[str, Field(max_length=1_000)]
Whole = Annotated[StrictInt, Field(ge=-(2**53), le=2**53)]  # kept apart, so that 12 is not read as 12.0
Scalar = StrictBool | Whole | Number | Text


class Not(BaseModel):
    """Any value but these."""

    model_config = ConfigDict(extra="forbid", title="Not")

    excluded: Scalar | Annotated[list[Scalar], Field(max_length=10_000)] = Field(alias="not")


Value = Scalar | Annotated[list[Scalar], Field(max_length=10_000)] | Not | None
Terms = Annotated[dict[Name, Value], Field(max_length=10_000)]
Asked = Text | Terms


def length(asked: object) -> int:
    """The number of characters of all texts in a request, or in several. Numbers count for nothing."""
    match asked:
        case str():
            return len(asked)
        case Not():
            return length(asked.excluded)
        case Mapping():
            return sum(length(name) + length(value) for name, value in asked.items())
        case list():
            return sum(map(length, asked))
    return 0


class SampleBody(BaseModel):
    """A request for samples."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"request": "a 7", "n": 4},
                {"request": {"digit": 7}, "seed": 12, "format": "json"},
                {"request": ["digit=3|5", {"digit": {"not": 8}}], "n": 2, "format": "png"},
            ]
        },
    )

    request: Asked | Annotated[list[Asked], Field(max_length=1_000)] = Field(
        default="",
        description="In words or terms, by names and values, or several of these. `*` asks for every value in turn. "
        "Attributes you leave out are drawn from the training data, given those you asked for.",
    )
    n: StrictInt = Field(default=1, ge=1, le=2**40, description="Samples of each request.")
    seed: StrictInt = Field(
        default=0, ge=0, lt=2**40, description="Seed of sample 0 of each request. Sample k has `seed + k`."
    )
    extrapolate: StrictBool = Field(default=False, description="Allow numbers beyond the range of the training data.")
    guidance: Weight | Annotated[dict[Name, Weight], Field(max_length=10_000)] | None = Field(
        default=None, description="Guidance weight, or one for each attribute. 1 is none. For guided models."
    )
    interval: tuple[Number, Number] | None = Field(
        default=None, description="Times at which guidance acts. Noise is at 0 and data at 1."
    )
    steps: Annotated[StrictInt, Field(ge=1, le=2**31)] | None = Field(
        default=None, description="Integration steps of a guided model."
    )
    sampler: Name | None = Field(default=None, description="Integration method of a guided model.")
    compose: StrictBool = Field(default=False, description="Predict each attribute alone and add the results.")
    free: StrictBool = Field(
        default=False, description="Leave free attributes to the model, instead of drawing them from the data."
    )
    format: Format | None = Field(
        default=None,
        description="Form of the answer. Without it, the header `Accept` decides, and JSON is the default.",
    )

    @field_validator("request")
    @classmethod
    def _takes_little_reading(cls, request: Any) -> Any:
        if (found := length(request)) > MOST_TEXT:
            raise ValueError(
                f"All texts together may have {MOST_TEXT:,} characters, not {found:,}. Send them in several bodies."
            )
        return request

    @property
    def is_small(self) -> bool:
        """Whether it is one request in a few words or terms, which stands for one request."""
        return not isinstance(self.request, list) and len(text := str(self.request)) < 200 and "*" not in text

    def asked(self) -> list[str | dict[str, Any]]:
        """The requests as the library takes them, in order."""
        several = self.request if isinstance(self.request, list) else [self.request] if self.request else []
        return [each if isinstance(each, str) else plain(each) for each in several]

    def sampling(self) -> SamplingOptions:
        """The settings of sampling."""
        return SamplingOptions(
            guidance=self.guidance,
            interval=self.interval,
            steps=self.steps,
            sampler=self.sampler,
            compose=self.compose,
            free=self.free,
        )


def plain(terms: Mapping[str, Any]) -> dict[str, Any]:
    """Checked terms as the library takes them."""
    return {name: {"not": v.excluded} if isinstance(v, Not) else v for name, v in terms.items()}


class Sample(BaseModel):
    """One sample. An image has `image`, a vector has `values`."""

    request: int = Field(description="The index of the request that it answers.")
    seed: int
    condition: dict[str, str | None] = Field(description="The value of every attribute. null was left to the model.")
    image: str | None = Field(default=None, description="A PNG in base64.")
    values: list[float | None] | None = Field(default=None, description="The vector's coordinates.")


class Understood(BaseModel):
    """A request as it was understood."""

    text: str = Field(description="In precise terms.")
    asked: str = Field(description="In the words in which it was asked. Empty for terms.")
    notes: list[str] = Field(description="Notes on words that were guessed or left out.")


class SampleAnswer(BaseModel):
    """Samples with their conditions and seeds, in the order of requests and seeds."""

    requests: list[Understood]
    samples: list[Sample]
    sources: list[dict[str, str | None]] | None = Field(
        default=None, description="For edits: the attributes of each image before the change."
    )


class ReadAnswer(BaseModel):
    """The attributes that a model reads in images."""

    conditions: list[dict[str, str | None]] = Field(description="Of each image. null is left to the model.")


class ModelInfo(BaseModel):
    """A model that is served."""

    name: str
    shape: list[int] = Field(description="[channel, height, width] of images, or [dimension] of vectors.")
    example: str = Field(description="A request of each attribute.")
    edits: bool = Field(description="Whether it edits given images.")
    fingerprint: str = Field(description="A digest of everything that samples depend on besides the request.")


class ModelList(BaseModel):
    """All models that are served."""

    models: list[ModelInfo]


class ModelSchema(ModelInfo):
    """Everything that a model can be asked for."""

    attributes: list[dict[str, Any]] = Field(description="As in schema.json, which lies beside samples on disk.")
    coordinates: list[str] = Field(description="Names of a vector's coordinates. Empty for images.")
    most: int = Field(description="Largest number of samples of one HTTP request.")
    most_edited: int = Field(description="Largest number of images of one edit.")


class Health(BaseModel):
    """The state of the server."""

    status: Literal["ok", "closing"]
