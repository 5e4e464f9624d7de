"""The blocks of the guide that ask a server, asked of one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from condgen.runs.run import Run
from condgen.serving import create_app
from tests.docs.blocks import ROOT, blocks
from tests.serving.server import listening

ASKING = [block for block in blocks(ROOT / "docs/guides/serving.md") if block.skip == "asks the server above"]


@pytest.mark.slow
def test_the_guides_requests_are_answered(run: Run, tmp_path: Path) -> None:
    run.sample("digit=7", n=1).to_pil()[0].save(tmp_path / "seven.png")
    Image.new("L", (8, 8), 255).save(tmp_path / "top.png")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    languages = []
    with listening(create_app({"digits": run}, watch=None)) as address:
        for block in ASKING:
            text = block.text.replace("http://127.0.0.1:8000", address).replace("curl -s", "curl -sS --fail-with-body")
            command = ["bash", "-euc"] if block.language == "sh" else [sys.executable, "-c"]
            done = subprocess.run(
                [*command, text], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{block.where}: {done.stdout}{done.stderr}"
            languages.append(block.language)
    assert languages == ["sh", "sh", "python", "sh"]
    assert (tmp_path / "grid.png").read_bytes()[:4] == (tmp_path / "edited.png").read_bytes()[:4] == b"\x89PNG"
    assert len(json.loads((tmp_path / "edited.json").read_text())["samples"]) == 1
    assert len(list((tmp_path / "sevens").glob("0*.png"))) == 16
