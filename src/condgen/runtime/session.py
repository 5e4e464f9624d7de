"""The network of an exported model, run by ONNX Runtime."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from condgen.arrays import Array
from condgen.errors import RunError, shorten
from condgen.runtime.graph import Graph
from condgen.runtime.header import Function

ERRORS_ONLY = 3  # the level of ONNX Runtime's log
WEIGHTS_AT_ONCE = ("session.disable_quant_qdq", "1")  # weights in int8 become floats once, not at each call
PIECE = 64  # samples at once, whose activations stay in the processor's cache (`benchmarks/runtime.py`)


class Session:
    """The functions of a network, each loaded when it is first called.

    threads: number of threads of an operation. 0 is one per core.

    Raises RunError without ONNX Runtime, and for a network that it cannot load.
    """

    def __init__(self, path: Path, graph: Graph, functions: Mapping[str, Function], threads: int = 0):
        self.path = path
        self._runtime = onnxruntime()
        self._graph = graph
        self._functions = functions
        self._options = self._runtime.SessionOptions()
        self._options.log_severity_level = ERRORS_ONLY
        self._options.intra_op_num_threads = threads
        self._options.add_session_config_entry(*WEIGHTS_AT_ONCE)
        self._loaded: dict[str, Any] = {}

    def __call__(self, name: str, inputs: Mapping[str, Array]) -> list[Array]:
        """The outputs of a function for inputs by name, without the name of the function before them.

        All have one row per sample. Large batches are computed in pieces.
        """
        loaded = self._loaded.get(name) or self._load(name)
        given = {f"{name}.{each}": value for each, value in inputs.items()}
        size = max(map(len, given.values()))
        try:
            if size <= PIECE:
                return list(loaded.run(None, given))
            starts = range(0, size, PIECE)
            pieces = [loaded.run(None, {each: value[k : k + PIECE] for each, value in given.items()}) for k in starts]
            joined: Any = map(np.concatenate, zip(*pieces, strict=True))
            return list(joined)
        except Exception as error:  # ONNX Runtime raises exceptions of many kinds, which share no base class
            raise RunError(f"{self.path} cannot compute '{name}': {shorten(str(error), 300)}") from None

    def use_threads(self, most: int) -> None:
        """Compute with so many threads from now on."""
        self._options.intra_op_num_threads = most
        self._loaded.clear()

    def _load(self, name: str) -> Any:
        function = self._functions[name]
        try:
            loaded = self._runtime.InferenceSession(
                self._graph.part(function), self._options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # as above
            raise RunError(f"{self.path} cannot be loaded by ONNX Runtime: {shorten(str(error), 300)}") from None
        found = ({each.name for each in ends} for ends in (loaded.get_inputs(), loaded.get_outputs()))
        if list(found) != [set(function.inputs), set(function.outputs)]:
            raise RunError(f"{self.path} does not fit its own header: its network lacks parts of '{name}'.")
        self._loaded[name] = loaded
        return loaded


def onnxruntime() -> Any:
    """The module of ONNX Runtime. Raises RunError if it is not installed.

    From version 1.29 on, it reports to Microsoft what it runs, unless this variable is set before it is loaded.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError:
        raise RunError("An exported model needs ONNX Runtime: pip install 'condgen[runtime]'.") from None
    return onnxruntime
