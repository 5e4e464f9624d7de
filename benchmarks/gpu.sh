#!/usr/bin/env bash
# Training on one GPU in under 12 minutes: images/s, share of the card's bf16 rate, distances.
#
#     benchmarks/gpu.sh                                       drawn worlds
#     FACES=faces64 PHOTOGRAPHS=cars128 CLASSES=cifar10 benchmarks/gpu.sh
#     SECONDS_EACH=5 benchmarks/gpu.sh --side 32 --set channels=8     a try on a CPU
#
# OUT holds the runs. Finished ones are kept, so the command can be repeated.
set -euo pipefail
cd "$(dirname "$0")/.."
exec timeout 720 "${PYTHON:-.venv/bin/python}" benchmarks/gpu.py \
    --faces "${FACES:-cars:8000}" --photographs "${PHOTOGRAPHS:-cars:8000}" --classes "${CLASSES:-shapes:50000}" \
    --seconds "${SECONDS_EACH:-110}" --out "${OUT:-runs/gpu}" "$@"
