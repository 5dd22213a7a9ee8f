"""Keeps what the process holds in memory out of files: no core, no reading by other processes, and
files of its own for their owner alone."""

from __future__ import annotations

import ctypes
import os
import resource
import sys

_PR_SET_DUMPABLE = 4  # prctl(2)


def keep_to_itself() -> None:
    """Let nobody else read files made from here on (umask 077), and write no core.

    A core holds the charts of the last calls. On Linux the process is marked as not to be dumped
    (PR_SET_DUMPABLE, prctl(2)): then neither a core handler of the system nor another process of
    the same user gets at its memory, and debuggers need root. `exec` takes the mark away: each
    worker sets its own. Umask and limit go on to them.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"prctl(PR_SET_DUMPABLE): {os.strerror(number)}")
