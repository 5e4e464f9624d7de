"""Packages that only some tasks need, each in an extra of condgen."""

from collections.abc import Iterator
from contextlib import contextmanager

from condgen.errors import CondgenError

EXTRAS = {
    "diffusers": ("diffusers",),
    "hub": ("datasets", "huggingface_hub"),
    "onnx": ("onnx", "onnxscript"),
    "remote": ("fsspec", "s3fs"),
    "ray": ("ray",),
    "runtime": ("onnxruntime",),
    "serve": ("fastapi", "multipart", "prometheus_client", "uvicorn"),
    "train": (
        "accelerate",
        "array_api_compat",
        "jaxtyping",
        "joblib",
        "pyarrow",
        "scipy",
        "sklearn",
        "tensorboard",
        "torch",
    ),
}


class MissingExtraError(CondgenError, ImportError):
    """A package is not installed. The message names the extra that brings it."""


@contextmanager
def explained() -> Iterator[None]:
    """Turn the failed import of an extra's package into a MissingExtraError. Other errors pass."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        for extra, packages in EXTRAS.items():
            if package in packages:
                raise MissingExtraError(
                    f"This needs the package {package}, which is not installed: pip install 'condgen[{extra}]'."
                ) from None
        raise
