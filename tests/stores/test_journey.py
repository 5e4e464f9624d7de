"""From data to samples in stores other than S3: the Hugging Face Hub (a stand-in), Google's (an emulator)."""

import pytest

import condgen
from condgen.data import Splits
from condgen.progress import SILENT
from condgen.runs.run import Run
from condgen.stores import folder_at
from tests.stores.test_folder import CALM
from tests.stores.test_s3 import digits_at

pytestmark = [pytest.mark.slow, CALM]


@pytest.mark.parametrize("store", ["dataset", "google"])
def test_from_data_to_samples(store: str, digits: Splits, request: pytest.FixtureRequest) -> None:
    address = request.getfixturevalue(store)
    digits_at(f"{address}/data", digits, n=40)
    small = {"channels": 8, "latent": 4, "previews": 1, "batch": 32, "images": 500}
    trained = condgen.train("cvae", f"{address}/data", f"{address}/run", progress=SILENT, **small)
    opened = Run.open(f"{address}/run", trust=True)
    assert opened.fingerprint == trained.fingerprint
    samples = opened.sample("digit=7", n=5)
    samples.save(f"{address}/samples")
    found = condgen.load(f"{address}/samples", attributes=["digit"], progress=SILENT)
    assert sum(map(len, (found.train, found.validation, found.test))) == 5
    made = condgen.generate(opened, "digit=3", 300, f"{address}/many", workers=1, progress=SILENT)
    assert made.index.samples == 300
    assert "train-00000-of-00001.parquet" in folder_at(f"{address}/many").files()
    assert not folder_at(f"{address}/run").exists(".lease.json")
