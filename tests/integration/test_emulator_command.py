"""`kubernaut-client emulator` as somebody at a shell has it."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import kubernaut_client
from kubernaut_client.emulator import Emulator
from tests.integration.emulator_tools import PATIENCE

pytestmark = pytest.mark.emulator

COMMAND = [sys.executable, "-m", "kubernaut_client.cli"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_runs_until_told_to_stop(number: int, place: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "emulator", "--build", "2025-12-27"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(place)},
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().rstrip("\n")
        with urllib.request.urlopen(f"{url}/_emulator", timeout=PATIENCE) as answer:  # noqa: S310  # our own URL
            assert b'"build":"2025-12-27"' in answer.read()
        assert len(list(place.iterdir())) == 1
        process.send_signal(number)
        assert process.communicate(timeout=PATIENCE) == ("", "")
        assert process.returncode == 0
        assert list(place.iterdir()) == []
    finally:
        process.kill()
        process.wait()


def test_told_to_stop_while_it_starts(place: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "emulator"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(place)},
    )
    try:
        while not list(place.iterdir()):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0 and errors == "" and (output == "" or output.startswith("http://"))
        assert list(place.iterdir()) == []
    finally:
        process.kill()
        process.wait()


def test_port_in_use(emulator: Emulator) -> None:
    done = run("emulator", "--port", str(emulator.port))
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == f"Error: port {emulator.port} on 127.0.0.1 can't be listened on: Address already in use\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--build", "2020-01-01"], "build must be one of 2025-12-30, 2025-12-27, 2025-12-12, not '2020-01-01'"),
        (["--port", "65536"], "65536 is not in the range"),
        (["--port", "http"], "'http' is not a valid integer"),
        (["--dsn", "nonsense"], "dsn is neither a PostgreSQL URL nor a key=value connection string"),
        (["--what"], "No such option"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str) -> None:
    done = run("emulator", *arguments)
    assert done.returncode == 2 and words in done.stderr and done.stdout == "" and "Traceback" not in done.stderr


def test_dsn_that_nobody_answers(place: Path) -> None:
    done = run("emulator", "--dsn", f"host={place}")
    assert done.returncode == 1 and done.stderr.startswith("Error: dsn: the database can't be used: ")
    assert len(done.stderr.splitlines()) == 1


def test_help_and_version() -> None:
    for flag in ("-h", "--help"):
        assert "emulator  Run Data Storage for tests" in run(flag).stdout
        assert "kubernaut-client emulator --port 18098" in run("emulator", flag).stdout
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"kubernaut-client {kubernaut_client.__version__}\n")
    assert run("nonsense").returncode == 2


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom kubernaut_client.cli import main\n"
        "assert main(['emulator', '--help']) == 0\n"
        "print(sorted({'httpx', 'asyncio', 'psycopg', 'h11', 'yaml', 'kubernaut_client.emulator'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("missing", "advice"),
    [("click", 'pip install "kubernaut-client[cli]"'), ("h11", 'pip install "kubernaut-client[emulator]"')],
)
def test_missing_extra(missing: str, advice: str) -> None:
    script = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from kubernaut_client.cli import main\nsys.exit(main(['emulator']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and advice in done.stderr and "Traceback" not in done.stderr
    if missing == "click":
        assert len(done.stderr.splitlines()) == 1
