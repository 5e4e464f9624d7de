"""The machine: its device, its processes, and the precision of its arithmetic."""

import platform
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from condgen.errors import RequestError

if TYPE_CHECKING:
    from accelerate import Accelerator


def accelerator_for(precision: str) -> "Accelerator":
    """Accelerate's view of the machine. It keeps one precision per process, so it is reset for a run with another one.

    Raises RequestError for a precision that the device lacks.
    """
    from accelerate import Accelerator  # slow to import, and of no use to an opened run
    from accelerate.state import AcceleratorState

    chosen = "no" if precision == "float32" else precision
    if AcceleratorState._shared_state.get("_mixed_precision", chosen) != chosen:
        AcceleratorState._reset_state()
    accelerator = Accelerator(mixed_precision=chosen)
    if chosen != "no" and not accelerator.native_amp:  # otherwise it would silently compute in float32
        raise RequestError(
            f"The precision {chosen} cannot be used on {accelerator.device.type}; choose bf16 or float32."
        )
    return accelerator


def quick_at_bf16() -> bool:
    """Whether this machine has units for bf16: tensor cores, or a CPU's matrix extensions.

    Plain support is not enough.
    """
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def knows_bf16(device: str = "cpu") -> bool:
    """Whether a device computes in bf16 at all. A measurement says whether that is faster."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device != "cpu":
        return torch.amp.is_autocast_available(device)
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))


def processor() -> str:
    """The name of what computes: of the GPU if there is one, else of the CPU."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()
