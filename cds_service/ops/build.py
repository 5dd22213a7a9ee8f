"""Which build of the program this is: its version and the commit that it was made from."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from cds_service import __version__

UNKNOWN: Final = "unknown"
VERSION: Final = __version__

_PACKAGE = Path(__file__).parents[1]
_DESCRIBE = ("git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12")


@cache
def commit() -> str:
    """The commit, 12 hexadecimal digits, with `-dirty` where files were changed since.

    A package has it in a file that its build wrote (hatch_build.py). A clone asks git. `unknown`
    where neither tells: an installation below somebody else's repository never takes that for ours.
    """
    baked = _PACKAGE / "commit.txt"
    if baked.is_file():
        return baked.read_text(encoding="ascii").strip() or UNKNOWN
    clone = _PACKAGE.parent
    if not (clone / ".git").exists():
        return UNKNOWN
    try:
        run = subprocess.run(_DESCRIBE, cwd=clone, capture_output=True, text=True, check=True)  # noqa: S603  # fixed words
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return run.stdout.strip() or UNKNOWN
