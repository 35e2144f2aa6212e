"""The distributions that this tree builds: wheel and sdist, opened once for all tests of packaging."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel and the sdist of this tree."""
    directory = tmp_path_factory.mktemp("distributions")
    build(ROOT, directory)
    return directory


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> dict[str, bytes]:
    """Name and content of each file in the wheel."""
    return wheel_files(distributions)


@pytest.fixture(scope="session")
def sdist(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The top directory of the sdist, unpacked."""
    (archive,) = distributions.glob("*.tar.gz")
    directory = tmp_path_factory.mktemp("sdist")
    with tarfile.open(archive) as tar:
        # File by file: the first patches of CPython 3.11 don't know the filters that later versions insist on.
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None, f"{member.name} is no regular file"
            path = directory / member.name
            assert path.is_relative_to(directory)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())
            path.chmod(member.mode)
    (top,) = directory.iterdir()
    return top


def build(source: Path, directory: Path, *targets: str) -> None:
    """Builds the targets, all of them by default, with hatchling as a front end would call it."""
    chosen = [word for target in targets for word in ("-t", target)]
    command = [sys.executable, "-m", "hatchling", "build", *chosen, "-d", str(directory)]
    done = subprocess.run(command, check=False, cwd=source, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def wheel_files(directory: Path) -> dict[str, bytes]:
    (path,) = directory.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}
