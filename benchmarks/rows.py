"""Time and memory that inspection takes for each row of a table of labels, pictures apart.

    python benchmarks/rows.py --rows 10m

The table is generated here: a path, two attributes of names, and two of numbers. It names a thousand pictures again and
again. A process of its own counts them, as `condgen inspect` does, and prints the growth of its memory at the peak.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from condgen.units import parse_count

PICTURES, AT_ONCE = 1_000, 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=parse_count, default=1_000_000)
    parser.add_argument("--at", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.at:
        print(json.dumps(counted(args.at)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), args.rows)
        command = [sys.executable, __file__, "--at", folder]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = json.loads(said)
    each = f"{found['grown'] / args.rows:,.0f} bytes and {found['seconds'] / args.rows * 1e6:.1f} µs for each"
    print(f"{args.rows:,} rows: {found['grown'] / 1e6:,.0f} MB, {found['seconds']:.0f} s of one processor; {each}")


def write(folder: Path, rows: int) -> None:
    """A table and the pictures that it names."""
    rng, names = np.random.default_rng(0), pa.array([f"{k:03}.png" for k in range(PICTURES)])
    for name in names.to_pylist():
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / name)
    schema = pa.schema(
        {"file_name": pa.string(), "color": pa.string(), "glasses": pa.string(), "age": pa.float64(), "n": pa.int64()}
    )
    with pq.ParquetWriter(folder / "metadata.parquet", schema) as file:
        for start in range(0, rows, AT_ONCE):
            n = min(AT_ONCE, rows - start)
            columns = {
                "file_name": names.take(pa.array((start + np.arange(n)) % PICTURES)),
                "color": pa.array(["red", "green", "blue"]).take(pa.array(rng.integers(0, 3, n))),
                "glasses": pa.array(["yes", "no"]).take(pa.array(rng.integers(0, 2, n))),
                "age": pa.array(rng.uniform(0, 80, n).round(1)),
                "n": pa.array(rng.integers(0, 9, n)),
            }
            file.write_table(pa.table(columns, schema))


def counted(folder: Path) -> dict[str, float]:
    """Bytes by which memory grew, and seconds of work, until all labels are read and counted."""
    from condgen.inspection.association import co_occurrence
    from condgen.inspection.balance import balances
    from condgen.inspection.columns import describe_columns
    from condgen.inspection.material import material

    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    found = material(str(folder))
    described = describe_columns(found.columns, found.schema, found.notes, found.given)
    balances(found.rows.train, {column.name: column.why for column in described})
    co_occurrence(found.rows.train.condition)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"grown": grown * 1024, "seconds": time.process_time() - began}


if __name__ == "__main__":
    main()
