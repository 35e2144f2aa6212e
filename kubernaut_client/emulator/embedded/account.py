"""The user that PostgreSQL runs under: the caller's own, or an unprivileged one, as it refuses to run as root."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable

from .errors import SupervisorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes

_OVERFLOW_ID = 65534  # of nobody in most systems, and what an id that isn't mapped into a namespace is shown as
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_REFUSED = 1  # exit status of a trial


class Account:
    """The user and group to become. Of root's choices the first that the kernel allows:

    1. another user: nobody, or where nobody isn't mapped into the user namespace, the highest id that is,
    2. root still, in a user namespace in which it has another id: for root without capabilities, or where no other id
       is mapped. Needs no privilege, but some sandboxes forbid it.
    """

    def __init__(self) -> None:
        self.user: int = os.geteuid()
        self.group: int = os.getegid()
        self._namespace = False
        # Loaded now: the unprivileged user may not be able to read the files of the interpreter.
        self.library: ctypes.CDLL | None = _c_library()
        if self.user == 0:
            self._choose()

    @property
    def changes(self) -> bool:
        """Whether it is another user than the caller's."""
        return self.user != os.geteuid()

    def enter(self) -> None:
        """Become this user, for good, and give up the ways to become another.

        Raises:
            OSError: The kernel doesn't allow it.
        """
        if self.changes:
            os.setgroups([])
        os.setresgid(self.group, self.group, self.group)
        os.setresuid(self.user, self.user, self.user)
        if self._namespace:
            _enter_namespace(self.library)
        if self.library is not None and sys.platform == "linux":
            self.library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)

    def attempt(self, action: Callable[[], object]) -> int:
        """Do something as this user, in a child process; 0, or the number of the error."""
        pid = os.fork()
        if pid == 0:
            try:
                self.enter()
                action()
                os._exit(0)
            except OSError as error:
                os._exit(error.errno or _REFUSED)
            except BaseException:  # noqa: BLE001  # a forked child must never get into its parent's code
                os._exit(_REFUSED)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def _choose(self) -> None:
        for self.user, self.group in _unprivileged():
            if self.attempt(_nothing) == 0:
                return
        self.user, self.group, self._namespace = 0, os.getegid(), True
        if self.attempt(_refuse_root):
            raise SupervisorError(
                "PostgreSQL refuses to run as root, and this process may neither become another user (it lacks the"
                " capabilities SETUID and SETGID, or no other id is mapped) nor create a user namespace; run it as"
                " another user"
            )


def _c_library() -> ctypes.CDLL | None:
    """The C library, for the few calls that Python lacks; None if there is no ctypes."""
    try:
        import ctypes
    except ImportError:
        return None
    return ctypes.CDLL(None)


def _unprivileged() -> list[tuple[int, int]]:
    """User and group ids without privileges, the best first."""
    found: list[tuple[int, int]] = []
    with contextlib.suppress(ImportError, KeyError):
        import pwd

        nobody = pwd.getpwnam("nobody")
        found.append((nobody.pw_uid, nobody.pw_gid))
    found.append((_OVERFLOW_ID, _OVERFLOW_ID))
    found.append((_highest("uid"), _highest("gid")))
    return [(user, group) for user, group in dict.fromkeys(found) if user > 0 and group > 0]


def _highest(kind: str) -> int:
    """The highest id that is mapped into this user namespace, below that of nobody."""
    highest = 0
    with contextlib.suppress(OSError, ValueError), open(f"/proc/self/{kind}_map", encoding="utf-8") as file:
        for line in file:
            first, _, count = (int(number) for number in line.split())
            if first <= _OVERFLOW_ID:
                highest = max(highest, min(first + count - 1, _OVERFLOW_ID))
    return highest


def _enter_namespace(library: ctypes.CDLL | None) -> None:
    """Enter a new user namespace, in which this user isn't 0."""
    user, group = os.geteuid(), os.getegid()
    if library is None or sys.platform != "linux" or library.unshare(_CLONE_NEWUSER):
        raise PermissionError("there are no user namespaces")
    # Where this is refused, as to root without capabilities, the kernel shows the ids that aren't mapped as nobody's,
    # which will do, too.
    with contextlib.suppress(OSError):
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{_OVERFLOW_ID} {user} 1"),
            ("gid_map", f"{_OVERFLOW_ID} {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w", encoding="utf-8") as file:
                file.write(text)


def _nothing() -> None:
    pass


def _refuse_root() -> None:
    if os.geteuid() == 0:
        raise PermissionError
