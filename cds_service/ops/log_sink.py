"""Tells, without writing, whether the log still reaches anybody."""

from __future__ import annotations

import os
import select
import stat

_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


def lost(number: int = 2) -> str | None:
    """Why what is written to this file descriptor reaches nobody; None as far as can be seen.

    A file that was deleted takes lines that nobody will read, and no write ever fails.
    """
    try:
        found = os.fstat(number)
    except OSError:
        return "standard error is closed"
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
        return "its file was deleted"
    if stat.S_ISFIFO(found.st_mode) or stat.S_ISSOCK(found.st_mode):
        poll = select.poll()
        poll.register(number, 0)
        if any(event & _GONE for _, event in poll.poll(0)):
            return "its reader is gone"
    return None
