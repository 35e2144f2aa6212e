"""Reading a small file whose name comes from outside: a regular one, up to a limit, without waiting."""

from __future__ import annotations

import errno
import os
import stat


def read_regular(path: str | os.PathLike[str], limit: int) -> bytes:
    """The bytes of a regular file.

    Neither a FIFO without a writer nor a device that never ends holds it up: what the name stands for is looked at
    once it is open, and opening doesn't wait.

    Args:
        path: The file; symbolic links are followed.
        limit: The most bytes that it may have.

    Raises:
        OSError: It can't be read, isn't a regular file (EINVAL), or is larger than `limit` (EFBIG).
        ValueError: The path holds a character that no path can have.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        # None where a file that says it is regular would have to wait for its content, as some of /proc do.
        data = file.read(limit + 1) or b""
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes, the limit")
    return data


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
