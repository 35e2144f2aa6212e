"""The emulator in containers: any user id, no capabilities, no home, a file system that is read-only.

User namespaces make each of these cases for whoever runs the tests, root or not. Where root could do something that
others can't, root runs the same test, and it means more there.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, LiteralString

import pytest

from kubernaut_client.emulator import Emulator
from kubernaut_client.emulator.postgres import find_installation
from tests.integration.emulator_tools import PATIENCE, Process, call, children, eventually

pytestmark = pytest.mark.emulator

ROOT = os.geteuid() == 0
ONE_ID = ["unshare", "--user", "--map-root-user"]
NO_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
NO_NAMESPACES = ["sh", "-c", 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"', "sh"]


def user(number: int) -> list[str]:
    """Run as a user and group with this number."""
    return ["unshare", "--user", f"--map-user={number}", f"--map-group={number}"]


def mounted(commands: str) -> list[str]:
    """Run after some commands in a mount namespace."""
    return ["unshare", *([] if ROOT else ["--user", "--map-root-user"]), "--mount", "sh", "-ec", commands, "sh"]


READ_ONLY = """
for each in /tmp /var/tmp; do mount --rbind $each $each; mount -o remount,ro,bind $each; done
mount -o remount,ro,bind /
exec "$@"
"""
NO_PASSWD = """
mount --bind /dev/null /etc/passwd
exec "$@"
"""

# Root of a user namespace in which nobody's number isn't mapped. Only root may map more than one id.
FEW_IDS = """
import ctypes, os, sys
ready, go = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    ctypes.CDLL(None).unshare(0x10000000)
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    os.execvp(sys.argv[1], sys.argv[1:])
os.read(ready[0], 1)
user, group = os.geteuid(), os.getegid()
if user:
    open(f"/proc/{child}/setgroups", "w").write("deny")
open(f"/proc/{child}/uid_map", "w").write(f"0 {user} {1 if user else 1000}")
open(f"/proc/{child}/gid_map", "w").write(f"0 {group} {1 if user else 1000}")
os.write(go[1], b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

CONTAINERS = {
    "whoever it is": [],
    "a user with a name": user(1),
    "a user without a name": user(12345),
    "the highest user id": user(4294967294),
    "no passwd file": [*mounted(NO_PASSWD), *user(12345)],
    "root of one id": ONE_ID,
    "root of few ids": [sys.executable, "-c", FEW_IDS],
    "root without capabilities": [*([] if ROOT else ONE_ID), *NO_CAPABILITIES],
    "root of one id without capabilities": [*ONE_ID, *NO_CAPABILITIES],
    "root without a passwd file": mounted(NO_PASSWD),
}
CODE = """
import json, os, sys, urllib.request
from pathlib import Path
sys.path[:0] = json.loads(sys.argv[1])
from kubernaut_client.emulator import Emulator
try:
    with Emulator() as emulator:
        directory = Path(emulator.dsn.split("'")[1])
        pid = (directory / "data" / "postmaster.pid").read_text().split()[0]
        status = Path("/proc", pid, "status").read_text()
        parent = Path("/proc", status.split("PPid:")[1].split()[0], "status").read_text()
        health = urllib.request.urlopen(emulator.url + "/health").read().decode()
        print(json.dumps({"directory": str(directory), "health": health, "postgres": status, "supervisor": parent}))
    assert not directory.exists()
except OSError as error:
    print(json.dumps({"error": str(error)}))
"""


def run(prefix: list[str], place: Path, *paths: Path) -> dict[str, Any]:
    """Start and stop an emulator in a container; what it reports."""
    ran = subprocess.run(
        [*prefix, sys.executable, "-B", "-c", CODE, json.dumps([*map(str, paths), *sys.path])],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(place), "HOME": "/nonexistent"},
        timeout=PATIENCE * 2,
        cwd="/",
    )
    assert ran.returncode == 0 and ran.stderr == "", ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def unprivileged(status: str) -> bool:
    """Whether a process can neither do what root can nor become root."""
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return fields["NoNewPrivs"].strip() == "1" and "0" not in fields["Uid"].split()


@pytest.mark.parametrize("name", CONTAINERS)
def test_it_starts_as_any_user(name: str, place: Path) -> None:
    place.chmod(0o1777)
    told = run(CONTAINERS[name], place)
    assert told.get("health") == '{"status":"healthy","database":"connected"}', told
    assert Path(told["directory"]).parent == place
    # In the namespace of the emulator root's own number is seen even where PostgreSQL sees another.
    if ROOT and "of one id" not in name and "without capabilities" not in name:
        assert unprivileged(told["postgres"]) and unprivileged(told["supervisor"])
    assert re.search(r"^CapEff:\s+0+$", told["postgres"], re.MULTILINE)
    assert list(place.iterdir()) == []


def test_where_nothing_helps_one_line_tells_why(place: Path) -> None:
    told = run([*ONE_ID, *NO_NAMESPACES, *NO_CAPABILITIES], place)
    assert told["error"].startswith("PostgreSQL did not start: PostgreSQL refuses to run as root, and this process may")
    assert "run it as another user" in told["error"] and "\n" not in told["error"]
    assert list(place.iterdir()) == []


def test_read_only_root(place: Path) -> None:
    told = run(mounted(READ_ONLY), place)
    assert told.get("health"), told
    assert Path(told["directory"]).parent == Path("/dev/shm")
    assert not Path(told["directory"]).exists()


def hidden_wheel(place: Path) -> Path:
    """A copy of the PostgreSQL wheel that only its owner reaches, to be put first on the path."""
    installation, libraries = find_installation()
    private = place / "private"
    private.mkdir(mode=0o700)
    shutil.copytree(installation, private / installation.parent.name / installation.name, symlinks=True)
    (private / installation.parent.name / "__init__.py").touch()
    shutil.copytree(libraries, private / libraries.name, symlinks=True)
    return private


def test_no_copy_of_programs_where_none_may_run(place: Path) -> None:
    """Root's copy of an installation that nobody can reach; for others it is an ordinary place."""
    private = hidden_wheel(place)
    tmp = place / "tmp"
    tmp.mkdir()
    told = run(mounted(f'mount -t tmpfs -o noexec,mode=1777 tmpfs "{tmp}"\nexec "$@"'), tmp, private)
    assert told.get("health"), told
    assert (Path(told["directory"]).parent == tmp) == (not ROOT)
    assert not Path(told["directory"]).exists()


def opened(*needed: str) -> str:
    """Commands that make some directories reachable for everybody that lie below a directory of root's alone."""
    commands: list[str] = []
    for top in sorted({f"/{path.split('/')[1]}" for path in needed}):
        if not os.stat(top).st_mode & 0o001:
            inner = sorted({path for path in needed if path.startswith(f"{top}/")})
            commands += ["kept=$(mktemp -d)", f"mount --bind {top} $kept", f"mount -t tmpfs -o mode=755 tmpfs {top}"]
            for path in inner:
                commands += [f"mkdir -p {path}", f"mount --bind $kept/{path.removeprefix(top)} {path}"]
            commands.append("umount -l $kept && rmdir $kept")
    return "; ".join([*commands, 'exec "$@"'])


def test_another_user_for_real(place: Path) -> None:
    """Root's tests above keep its files; here another user id runs everything. Who isn't root is one already."""
    place.chmod(0o1777)
    needed = [sys.base_prefix, sys.prefix, *(path for path in sys.path if os.path.isdir(path))]
    become = ["setpriv", "--reuid=4711", "--regid=4711", "--clear-groups"]
    told = run([*mounted(opened(*needed)), *become] if ROOT else [], place)
    assert told.get("health"), told
    assert re.search(rf"^Uid:\s+{4711 if ROOT else os.geteuid()}\s", told["postgres"], re.MULTILINE)
    assert list(place.iterdir()) == []


def test_nowhere_to_write(place: Path) -> None:
    full = READ_ONLY.replace('exec "$@"', 'mount -t tmpfs -o ro tmpfs /dev/shm\nexec "$@"')
    told = run(mounted(full), place)
    reasons = told["error"].partition("set TMPDIR to a short writable one. ")[2].split("; ")
    assert [reason.partition(":")[0] for reason in reasons] == [str(place), "/tmp", "/var/tmp", "/dev/shm"]
    assert all(reason.endswith(("Read-only file system", "MiB are free")) for reason in reasons), told


def test_a_place_without_space_is_passed_over(place: Path) -> None:
    small = f'mount -t tmpfs -o size=1m tmpfs "{place}"\nexec "$@"'
    told = run(mounted(small), place)
    assert told.get("health"), told
    assert Path(told["directory"]).parent != place


def test_a_directory_with_a_name_for_no_socket_and_a_link(place: Path) -> None:
    (place / "link").symlink_to("/nonexistent")
    assert run([], place / "link").get("health")
    assert [each.name for each in place.iterdir()] == ["link"]


# ---- root ------------------------------------------------------------------------------------------------------------


def processes(emulator: Emulator) -> tuple[int, int, list[int]]:
    """The supervisor of an emulator, its postgres, and its other children."""
    directory = Path(emulator.dsn.split("'")[1])
    postgres = int((directory / "data" / "postmaster.pid").read_text().split()[0])
    supervisor = int(Path(f"/proc/{postgres}/status").read_text().split("PPid:")[1].split()[0])
    return supervisor, postgres, [pid for pid in children(supervisor) if pid != postgres]


def started(place: Path, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """An emulator whose database is in a directory."""
    monkeypatch.setattr("tempfile.tempdir", str(place))
    return Emulator()


@pytest.mark.parametrize("mode", [0o1777, 0o755])
def test_root_gives_its_privileges_up(mode: int, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but one process: where only root may remove the directory, that waits for its end and touches nothing."""
    place.chmod(mode)
    with started(place, monkeypatch) as emulator:
        supervisor, postgres, (watcher,) = processes(emulator)
        for pid in (supervisor, postgres):
            assert unprivileged(Path(f"/proc/{pid}/status").read_text())
        uid = Path(f"/proc/{watcher}").stat().st_uid
        assert (uid == 0) == (ROOT and mode == 0o755)
    assert list(place.iterdir()) == []


def test_log_that_became_a_link(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever else has the user id of PostgreSQL can replace it; what only others may read or write stays theirs."""
    secret = place / "secret"
    secret.write_text("FATAL: hunter2\n")
    secret.chmod(0o600 if ROOT else 0)
    with started(place, monkeypatch) as emulator:
        directory = Path(emulator.dsn.split("'")[1])
        emulator.stop_database()
        (directory / "log").unlink()
        (directory / "log").symlink_to(secret)
        (directory / "data" / "PG_VERSION").write_text("99\n")
        answer = call(emulator, "POST", "/_emulator/database", {"state": "up"})
        assert answer.status == 503 and b"hunter2" not in answer.body
    secret.chmod(0o600)
    assert secret.read_text() == "FATAL: hunter2\n"
    assert list(place.iterdir()) == [secret]


def test_directory_that_became_a_link(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is removed is the directory that was made, by its descriptor, and never what stands in its place."""
    place.chmod(0o1777)
    precious = place / "precious"
    precious.mkdir(mode=0o755)
    (precious / "file").touch()
    emulator = started(place, monkeypatch).start()
    directory = Path(emulator.dsn.split("'")[1])
    directory.rename(place / "moved")
    directory.symlink_to(precious)
    emulator.stop()
    assert (precious / "file").exists()
    assert list((place / "moved").iterdir()) == []


def test_the_log_is_for_its_user_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with started(place, monkeypatch) as emulator:
        directory = Path(emulator.dsn.split("'")[1])
        assert {each.stat().st_mode & 0o077 for each in directory.rglob("*")} == {0}


def test_killed_while_the_wheel_is_copied(place: Path) -> None:
    """The sender of the files ends with the supervisor."""
    process = subprocess.Popen(
        [sys.executable, "-B", "-c", CODE, json.dumps(sys.path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(place)},
        start_new_session=True,
    )
    eventually(lambda: bool(list(place.iterdir())))
    found = [Process(pid) for pid in children(process.pid)]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    assert all(each.ended() for each in found)
    for each in found:
        each.close()
    assert list(place.iterdir()) == []


# ---- the cluster -----------------------------------------------------------------------------------------------------

OPTIONS: LiteralString = "'default_text_search_config', 'DateStyle', 'wal_segment_size', 'data_checksums'"
QUESTIONS: list[LiteralString] = [
    "SELECT relnamespace::regnamespace, relname, relkind, relacl::text FROM pg_class WHERE relname !~ '^pg_toast'",
    "SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname NOT LIKE 'pg_t%'",
    "SELECT proname, pg_get_function_identity_arguments(oid), prosrc, provolatile, proacl::text FROM pg_proc",
    "SELECT typname, typtype FROM pg_type WHERE typname NOT LIKE 'pg_toast%'",
    "SELECT viewname, definition FROM pg_views",
    "SELECT description, classoid::regclass::text FROM pg_description",
    "SELECT conname, contype, conrelid::regclass::text FROM pg_constraint",
    "SELECT cfgname FROM pg_ts_config UNION ALL SELECT dictname FROM pg_ts_dict",
    "SELECT extname, extversion FROM pg_extension UNION ALL SELECT lanname, lanacl::text FROM pg_language",
    "SELECT * FROM information_schema.sql_features",
    "SELECT privtype, initprivs::text, classoid::regclass::text FROM pg_init_privs",
    "SELECT encoding, datcollate, datctype, datlocprovider, datacl::text FROM pg_database WHERE datname = 'template1'",
    "SELECT datname, encoding, datcollate, datacl::text, datallowconn FROM pg_database WHERE datname = 'postgres'",
    "SELECT name, setting FROM pg_settings WHERE name IN (" + OPTIONS + ")",
]


def test_the_cluster_is_what_initdb_makes(emulator: Emulator, place: Path) -> None:
    """All but object ids, the collations of the operating system and template0."""
    import psycopg

    installation, _ = find_installation()
    data = place / "data"
    as_nobody = user(65534)  # which has a name
    initdb = [*as_nobody, str(installation / "bin" / "initdb"), "-D", str(data), "-U", "postgres", "--no-sync"]
    options = ["--auth=trust", "--encoding=UTF8", "--no-locale", "--wal-segsize=1"]
    subprocess.run([*initdb, *options], check=True, capture_output=True)
    server = subprocess.Popen(
        [*as_nobody, str(installation / "bin" / "postgres"), "-D", str(data), "-k", str(place), "-h", ""],
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: (data / "postmaster.pid").exists() and "ready" in (data / "postmaster.pid").read_text())
        with (
            psycopg.connect(emulator.dsn, dbname="template1") as ours,
            psycopg.connect(host=str(place), dbname="template1", user="postgres") as theirs,
        ):
            for connection in (ours, theirs):
                connection.execute("SET search_path TO pg_catalog")
            for question in QUESTIONS:
                found = [sorted(map(repr, each.execute(question).fetchall())) for each in (ours, theirs)]
                assert found[0] == found[1], question
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(PATIENCE)
