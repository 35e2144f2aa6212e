"""File names for strangers' names: portable, distinct, and the same every time. Touches no file.

A catalog's names and versions are any text of up to 255 characters, so none of them is used as a path as it stands
unless it is harmless on every system: a path separator, `..`, a device of Windows, two names that a file system takes
for one. What is done with the file names is left to `exports`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256

STEM_LIMIT = 120
"""Bytes of a name that its file name shows; the longest file name has 185 bytes, so a suffix always fits into 255."""

_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]*(?<!\.)")
_OTHER = re.compile(r"[^a-z0-9._-]+")
# Reserved by Windows with any extension: `con.json` opens the console.
_DEVICE = re.compile(r"^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)")
# A directory `a.json` for the workflow `a.json` would meet the file `a.json` of the workflow `a`.
_SUFFIXES = (".json", ".yaml", ".yml")
_DIGITS = 10
# No plain name has it, so that nobody can choose a name that is another one's file name.
_MARK = "~"


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """A file name for each name, to which a suffix such as `.json` can be added; in the order given.

    A plain name (`[a-z0-9][a-z0-9._-]*`, at most 120 bytes, without a trailing dot, none of Windows' devices, not
    ending in a suffix of catalog files) is its own file name. Every other one, and every one that differs from another
    by case or by Unicode normalization only, gets what is readable of it, `~`, and ten hexadecimal digits of its
    SHA-256; all digits if two names share even those. So a file name depends on other names only where they collide.

    The result consists of `a-z 0-9 . _ - ~`, begins with a letter or digit, doesn't end in a dot, and has no upper
    case, so that distinct ones are distinct on file systems that ignore case.
    """
    given = list(dict.fromkeys(names))
    folded = Counter(map(_folded, given))
    short = Counter(_hashed(name, _DIGITS) for name in given)
    found: dict[str, str] = {}
    for name in given:
        hashed = _hashed(name, _DIGITS)
        if _is_plain(name) and folded[_folded(name)] == 1:
            found[name] = name
        else:
            found[name] = hashed if short[hashed] == 1 else _hashed(name, None)
    return found


def _is_plain(name: str) -> bool:
    return bool(
        len(name) <= STEM_LIMIT and _PLAIN.fullmatch(name) and not _DEVICE.match(name) and not name.endswith(_SUFFIXES)
    )


def _folded(name: str) -> str:
    """What names have in common that a file system may take for the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _hashed(name: str, digits: int | None) -> str:
    # Not every text from JSON is valid Unicode: a lone surrogate has no UTF-8.
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{_stem(name)}{_MARK}{digest[:digits]}"


def _stem(name: str) -> str:
    """What is readable of a name: letters without their accents, digits and a few signs."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    stem = _OTHER.sub("_", letters).lstrip("._-")[:STEM_LIMIT].rstrip("._-")
    return _DEVICE.sub(r"\1_", stem) or "x"
