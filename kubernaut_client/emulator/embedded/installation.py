"""The programs of the installed wheel, or a copy of them where the unprivileged user can't reach it."""

from __future__ import annotations

import os
from collections.abc import Callable

from .account import Account
from .errors import SupervisorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import tarfile

_PROGRAM = os.path.join("bin", "postgres")
_SHARE = os.path.join("share", "postgresql")
_COPIED = (_PROGRAM, "share", os.path.join("lib", "postgresql"))


class Installation:
    """PostgreSQL in its wheel.

    The files are read with the caller's privileges and written with the account's: a child process that keeps root's
    sends them through a pipe and touches nothing else. Made before the account is entered.
    """

    def __init__(self, folder: str, libraries: str, account: Account) -> None:
        self._folder = folder
        self._libraries = libraries
        self._pipe = -1
        self._sender = 0
        self.copied: bool = False
        if account.attempt(self._require):
            self.copied = True
            self._send()

    def place(self, directory: str) -> tuple[str, str]:
        """The postgres program and the folder of its scripts, after making a copy of them if need be.

        Raises:
            SupervisorError: The files can't be read.
            OSError: The copy can't be written.
        """
        folder = self._receive(os.path.join(directory, "install")) if self.copied else self._folder
        return os.path.join(folder, _PROGRAM), os.path.join(folder, _SHARE)

    def _require(self) -> None:
        for path, mode in (
            (os.path.join(self._folder, _PROGRAM), os.R_OK | os.X_OK),
            (os.path.join(self._folder, _SHARE, "postgres.bki"), os.R_OK),
            (self._libraries if os.path.isdir(self._libraries) else self._folder, os.R_OK),
        ):
            if not os.access(path, mode):
                raise PermissionError(path)

    def _send(self) -> None:
        import tarfile

        self._pipe, sending = os.pipe()
        self._sender = os.fork()
        if self._sender:
            os.close(sending)
            return
        status = 1
        try:
            os.close(self._pipe)
            with (
                open(sending, "wb") as stream,
                tarfile.open(fileobj=stream, mode="w|", dereference=True) as archive,
            ):
                # The programs find the libraries by a path relative to their own.
                for name in _COPIED:
                    source = os.path.join(self._folder, name)
                    archive.add(source, os.path.join("package", "pginstall", name), filter=_unless_static)
                if os.path.isdir(self._libraries):
                    archive.add(self._libraries, os.path.basename(self._libraries), filter=_unless_static)
            status = 0
        finally:
            os._exit(status)

    def _receive(self, target: str) -> str:
        import tarfile

        try:
            with open(self._pipe, "rb") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    path = os.path.join(target, member.name)
                    content = archive.extractfile(member)
                    if content is not None:
                        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
                        _write(path, content.read)
        except tarfile.TarError as error:
            raise SupervisorError(f"PostgreSQL can't be copied from {self._folder}: {error}") from None
        if os.waitpid(self._sender, 0)[1]:
            raise SupervisorError(f"PostgreSQL can't be read in {self._folder}")
        return os.path.join(target, "package", "pginstall")


def _unless_static(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if member.name.endswith(".a") else member


def _write(path: str, read: Callable[[int], bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o700)
    with open(descriptor, "wb") as file:
        while chunk := read(1 << 20):
            file.write(chunk)
