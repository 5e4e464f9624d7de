"""Memory that is freed is kept for the next need."""

import os
import subprocess
import sys

import pytest

from condgen.heap import SETTINGS, _is_glibc

FAULTS = """
import resource
import numpy as np
from condgen.heap import keep_freed_memory
keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(2**23)
before = faults()
for _ in range(5):
    np.ones(2**23)
print(faults() - before)
"""


def faults(**environment: str) -> int:
    """How often the system had to give a page while 64 MB were taken and freed five times."""
    clean = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    done = subprocess.run([sys.executable, "-c", FAULTS], env=clean | environment, capture_output=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not _is_glibc(), reason="the heap of another C library")
def test_freed_memory_is_kept_unless_the_environment_says_otherwise() -> None:
    assert faults() < 20
    assert faults(MALLOC_TRIM_THRESHOLD_="131072") > 100
