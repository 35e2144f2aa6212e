"""The emulator under environment variables and files that are meant for other servers and programs."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubernaut_client.emulator import Emulator
from tests.integration.emulator_tools import PATIENCE, WORKFLOWS, call
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

# Every variable of libpq, each with a value that would lead elsewhere or be refused.
LIBPQ = {
    "PGAPPNAME": "other",
    "PGCHANNELBINDING": "require",
    "PGCLIENTENCODING": "junk",
    "PGCONNECT_TIMEOUT": "junk",
    "PGDATABASE": "other",
    "PGDATESTYLE": "junk",
    "PGGEQO": "junk",
    "PGGSSDELEGATION": "junk",
    "PGGSSENCMODE": "require",
    "PGGSSLIB": "junk",
    "PGHOST": "192.0.2.1",
    "PGKRBSRVNAME": "other",
    "PGLOADBALANCEHOSTS": "junk",
    "PGLOCALEDIR": "/nonexistent",
    "PGMAXPROTOCOLVERSION": "junk",
    "PGMINPROTOCOLVERSION": "junk",
    "PGOAUTHDEBUG": "UNSAFE",
    "PGOPTIONS": "-c no.such=1 -c transaction_read_only=on",
    "PGPASSFILE": "/etc/hostname",
    "PGPASSWORD": "other",
    "PGREQUIREAUTH": "scram-sha-256",
    "PGREQUIREPEER": "other",
    "PGREQUIRESSL": "1",
    "PGSERVICE": "other",
    "PGSERVICEFILE": "/nonexistent",
    "PGSSLCERT": "/nonexistent",
    "PGSSLCERTMODE": "require",
    "PGSSLCOMPRESSION": "junk",
    "PGSSLCRL": "/nonexistent",
    "PGSSLCRLDIR": "/nonexistent",
    "PGSSLKEY": "/nonexistent",
    "PGSSLMAXPROTOCOLVERSION": "junk",
    "PGSSLMINPROTOCOLVERSION": "junk",
    "PGSSLMODE": "verify-full",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLROOTCERT": "/nonexistent",
    "PGSSLSNI": "junk",
    "PGSYSCONFDIR": "/nonexistent",
    "PGTARGETSESSIONATTRS": "standby",
    "PGTZ": "junk",
    "PGUSER": "other",
}
# What other programs and libraries read that take part.
OTHERS = {
    "PGDATA": "/nonexistent",
    "LC_ALL": "xx_XX.junk",
    "LANG": "tr_TR.UTF-8",
    "LANGUAGE": "tr",
    "TZ": "junk",
    "PSYCOPG_IMPL": "c",
    "PSYCOPG_WAIT_FUNC": "junk",
    "OPENSSL_CONF": "/nonexistent",
    "SSL_CERT_FILE": "/nonexistent",
    "SSL_CERT_DIR": "/nonexistent",
    "SSLKEYLOGFILE": "/nonexistent/file",
    "KRB5_CONFIG": "/nonexistent",
    "HTTP_PROXY": "http://192.0.2.1:1",
    "HTTPS_PROXY": "http://192.0.2.1:1",
    "ALL_PROXY": "socks5://192.0.2.1:1",
    "NETRC": "/etc/hostname",
    "LD_BIND_NOW": "1",
    "PYTHONWARNINGS": "error",
    "PYTHONDEVMODE": "1",
    "PYTHONHASHSEED": "0",
    "RUST_BACKTRACE": "full",
    "CDPATH": "/",
    "ENV": "/nonexistent",
    "BASH_ENV": "/nonexistent",
    "HOME": "/nonexistent",
    "XDG_RUNTIME_DIR": "/nonexistent",
    "KUBERNAUT_TOKEN_FILE": "/nonexistent",
    "KUBERNAUT_CA_FILE": "/nonexistent",
    "KUBERNAUT_CLIENT_CERT": "/nonexistent",
}
EXAMPLES = Path(__file__).parents[2] / "examples" / "catalog"
MAIN = "import sys; from kubernaut_client.cli import main; sys.exit(main())"


@pytest.fixture
def elsewhere() -> Iterator[socket.socket]:
    """A server of somebody else's, which nobody should connect to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


@pytest.fixture
def variables(place: Path, elsewhere: socket.socket) -> dict[str, str]:
    """The variables, with the service file, the password file and the address of the other server."""
    port = elsewhere.getsockname()[1]
    (place / "services").write_text(f"[other]\nhost=127.0.0.1\nhostaddr=127.0.0.1\nport={port}\n")
    (place / ".pgpass").write_text("*:*:*:*:other\n")
    (place / ".pgpass").chmod(0o644)  # libpq complains of that
    files = {"PGSERVICEFILE": str(place / "services"), "PGPASSFILE": str(place / ".pgpass"), "HOME": str(place)}
    return {**LIBPQ, **OTHERS, **files, "PGHOSTADDR": "127.0.0.1", "PGPORT": str(port), "TMPDIR": str(place)}


def emulator_command(variables: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command below the emulator, with these variables."""
    return subprocess.run(
        [sys.executable, "-c", MAIN, "emulator", *words],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE * 2,
    )


def test_the_command_below_foreign_variables(variables: dict[str, str], elsewhere: socket.socket, place: Path) -> None:
    """It starts, reaches no other server, and its command gets all of the variables."""
    before = set(place.iterdir())
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    ran = emulator_command(variables, "--catalog", str(EXAMPLES), "--", sys.executable, "-c", show)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    shown = json.loads(ran.stdout)
    assert {name: shown[name] for name in variables} == variables
    with pytest.raises(BlockingIOError):
        elsewhere.accept()
    assert set(place.iterdir()) == before


@pytest.mark.parametrize("name", ["PGSERVICE", "PGTZ", "PGDATESTYLE", "PGGEQO", "PGPORT", "PGHOSTADDR", "PSYCOPG_IMPL"])
def test_each_alone(name: str, variables: dict[str, str], place: Path) -> None:
    ran = emulator_command({name: variables[name], "TMPDIR": str(place)}, "--", "true")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_variables_of_the_process_stay(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are made all the time, by a library that reads the process's variables."""
    for name in LIBPQ:
        monkeypatch.setenv(name, variables[name])
    before = dict(os.environ)
    with Emulator() as emulator:
        assert call(emulator, "POST", WORKFLOWS, workflow()).status == 201
        with emulator.database_down():
            assert dict(os.environ) == before
        assert call(emulator, "GET", "/health").status == 200
        # What a program gets that is started without an environment of its own.
        shown = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert set(shown) >= {f"{name}={before[name]}" for name in LIBPQ}
    assert dict(os.environ) == before


def test_dsn_leads_to_the_emulator_whatever_the_variables(
    emulator: Emulator, elsewhere: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(elsewhere.getsockname()[1]))
    monkeypatch.setenv("PGUSER", "other")
    monkeypatch.setenv("PGDATABASE", "other")
    with psycopg.connect(emulator.dsn) as connection:
        (found,) = connection.execute("SELECT current_user || current_database()").fetchall()
    assert found == ("postgrespostgres",)
    with contextlib.suppress(BlockingIOError):
        raise AssertionError(elsewhere.accept())


def test_clocks_of_the_process_are_right_in_any_zone(variables: dict[str, str], place: Path) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from kubernaut_client.emulator import Emulator\n"
        "import urllib.request\n"
        "with Emulator() as emulator:\n"
        "    print(urllib.request.urlopen(emulator.url + '/health').headers['Date'])\n"
    )
    environment = {"TZ": "Pacific/Kiritimati", "TMPDIR": str(place), "PATH": os.environ["PATH"]}
    ran = subprocess.run(
        [sys.executable, "-c", code, *sys.path], env=environment, capture_output=True, text=True, check=True
    )
    shown = time.strptime(ran.stdout.strip(), "%a, %d %b %Y %H:%M:%S GMT")
    assert abs(time.mktime(shown) - time.timezone - time.time()) < PATIENCE
