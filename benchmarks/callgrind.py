"""Counts instructions: inside a process that runs under callgrind, and of its output outside."""

from __future__ import annotations

import ctypes
import mmap
import platform
import re
import shutil
from pathlib import Path

# The request of valgrind.h for x86-64: four rotations of rdi that change nothing, and an exchange
# of rbx with itself. Its argument is an array of six words. Outside of valgrind nothing happens.
_CODE = bytes.fromhex("4889f8 31d2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3")
_CALLGRIND = ord("C") << 24 | ord("T") << 16
_DUMP, _ZERO, _START, _STOP = _CALLGRIND, _CALLGRIND + 1, _CALLGRIND + 4, _CALLGRIND + 5
_TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)


def lacking() -> str | None:
    """Why instructions cannot be counted here; None where they can."""
    if platform.machine() not in {"x86_64", "AMD64"}:
        return f"the request to callgrind is not known for {platform.machine()}"
    if shutil.which("valgrind") is None:
        return "valgrind is not installed (apt-get install valgrind)"
    return None


class Counter:
    """Counts between `start` and `stop`, in a process that `command` has started."""

    def __init__(self) -> None:
        self._page = mmap.mmap(
            -1, len(_CODE), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        )
        self._page.write(_CODE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        kind = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.POINTER(ctypes.c_ulong))
        self._request = kind(address)

    def start(self) -> None:
        self._ask(_START)
        self._ask(_ZERO)

    def stop(self) -> None:
        self._ask(_DUMP)
        self._ask(_STOP)

    def _ask(self, number: int) -> None:
        self._request((ctypes.c_ulong * 6)(number))


def command(folder: Path) -> list[str]:
    """What stands before the command line that is to be counted."""
    out = f"--callgrind-out-file={folder / 'out'}"
    return ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", out]


def counts(folder: Path) -> list[int]:
    """The instructions of each stretch between `start` and `stop`, in their order."""
    found = sorted(folder.glob("out.[0-9]*"), key=lambda path: int(path.suffix[1:]))
    said = (_TOTALS.search(path.read_text(encoding="utf-8")) for path in found)
    return [int(total[1]) for total in said if total is not None]
