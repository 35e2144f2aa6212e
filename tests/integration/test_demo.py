"""The demonstration: what it prints fits 80 columns, and a reader may go away."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.emulator

DEMO = [sys.executable, "-P", str(Path(__file__).parents[2] / "examples" / "demo.py")]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "examples")}


def test_it_fits_80_columns() -> None:
    done = subprocess.run(DEMO, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "second bootstrap                  5 unchanged" in done.stdout
    assert [line for line in done.stdout.splitlines() if len(line) > 80] == []


def test_a_reader_that_goes_away() -> None:
    with subprocess.Popen(DEMO, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0
