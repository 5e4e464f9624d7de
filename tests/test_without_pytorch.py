"""Asking an exported model needs no PyTorch, nor anything else that only training needs."""

import subprocess
import sys

TRAINING = ("torch", "accelerate", "scipy", "sklearn", "pandas", "pyarrow", "joblib", "tensorboard")
LIGHT = (
    "arrays",
    "cli",
    "data.coordinates",
    "models.registry",
    "outputs",
    "pictures",
    "pixels",
    "rng",
    "room",
    "versions",
)


def without_pytorch(code: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in which importing any package of training fails."""
    block = f"import sys\nfor name in {TRAINING}: sys.modules[name] = None\n"
    return subprocess.run([sys.executable, "-c", block + code], capture_output=True, text=True, check=False)


def test_light_modules_do_without_pytorch() -> None:
    result = without_pytorch("\n".join(f"import condgen.{module}" for module in LIGHT))
    assert result.returncode == 0, result.stderr
