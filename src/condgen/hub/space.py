"""The folder of a Hugging Face Space that serves a model over HTTP, without PyTorch."""

from importlib.metadata import version
from pathlib import Path

from condgen.files import write_text
from condgen.hub.card import plain
from condgen.outputs import new_folder
from condgen.runs.exporting import EXPORTERS, Exporter
from condgen.runs.hub import CARD
from condgen.runs.run import Run

MODEL = "model.onnx"
PORT = 7860  # a Space is asked there
COMMAND = ("condgen", "serve", MODEL, "--host", "0.0.0.0", "--port", str(PORT))  # noqa: S104 (inside a container)

CONTAINER = f"""FROM python:3.12-slim
RUN useradd --create-home --uid 1000 user
USER user
WORKDIR /home/user/app
ENV PATH=/home/user/.local/bin:$PATH
COPY --chown=user requirements.txt .
RUN pip install --no-cache-dir --requirement requirements.txt
COPY --chown=user {MODEL} .
CMD [{", ".join(f'"{part}"' for part in COMMAND)}]
"""


def write(run: Run, path: Path, *, name: str = "owner/name", licence: str = "") -> None:
    """Write an exported model, a Dockerfile that serves it, its requirements and a README into a new folder.

    name: of the Space on the Hub.
    licence: of the weights, by its identifier on the Hub.

    Raises errors as exporting to onnx does, RequestError if the path is in use, and RunError if it cannot be written.
    """
    with new_folder(path, "the folder") as partial:
        EXPORTERS["onnx"].write(run, partial / MODEL, licence=licence)
        write_text(partial / "Dockerfile", CONTAINER)
        write_text(partial / "requirements.txt", f"condgen[runtime,serve]=={version('condgen')}\n")
        write_text(partial / CARD, _about(run, name, licence))


def _about(run: Run, name: str, licence: str) -> str:
    """The Space's README, with the facts for the Hub in front."""
    front = {
        "title": name.partition("/")[2],
        "sdk": "docker",
        "app_port": PORT,
        "license": licence,
        "tags": "[condgen]",
    }
    facts = "\n".join(f"{key}: {value}" for key, value in front.items() if value)
    ask = f" It can be asked for {plain(run.schema.example)}." if run.model.conditional else ""
    return f"""---
{facts}
---

# {name}

This Space serves a model over HTTP.{ask} Its interface is described at `/openapi.json`.
"""


SPACE = Exporter("an exported model, and a Dockerfile that serves it as a Hugging Face Space", "", write)
