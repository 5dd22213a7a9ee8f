"""The kill switch of a service: while it is off, every call gets an empty list at once.

Its state is a small file in the data directory: every worker looks at it at each call, and a
restart changes nothing. Where that cannot be written, a signal still turns the process.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, Literal

from cds_service.ops import log, metrics

FILE: Final = "switch.json"
HANDED_DOWN: Final = "HO_CDS_SWITCHED_OFF"
"""Variable in which the parent of workers tells those that come later what cannot be kept."""
State = Literal["off", "on"]
TURNS: Final[Mapping[signal.Signals, State]] = {signal.SIGUSR1: "off", signal.SIGUSR2: "on"}
"""The signals that turn it."""

HELD: Final = frozenset({signal.SIGHUP, *TURNS})
"""Signals that would end a process without a handler: held back until it has one."""

_NOT_KEPT = "the switch cannot be kept: a restart of the service turns it on again"
_MOST = 4096  # bytes of the file
_SHORT = 200  # characters of what an operator says

_Seen = tuple[int, int, int] | None


class Switch:
    """The switch as one process sees it; without a directory it is on for good."""

    def __init__(
        self, directory: Path | None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._path = directory / FILE if directory is not None else None
        self._clock = clock
        self._seen: _Seen = None
        self._off = False
        self._since: str | None = None
        self.problem: str | None = None
        if told := os.environ.get(HANDED_DOWN):
            fact, seen = json.loads(told)
            self._seen = tuple(seen) if seen else None  # a file that changed since then counts
            self.problem = _NOT_KEPT
            self._set(fact)

    @property
    def is_off(self) -> bool:
        """Whether it is off now: one look at the file, read when it has changed."""
        if self._path is not None and (found := _seen(self._path)) != self._seen:
            self._seen = found
            self._read(self._path)
        return self._off

    @property
    def said(self) -> str | None:
        """What readiness tells while it is off."""
        since = f" since {self._since}" if self._since else ""
        return f"switched off{since}: every call gets an empty list" if self.is_off else None

    def turn(self, state: State, by: str, reason: str = "") -> bool:
        """Turn it for all processes with this data directory; False, and for this process only,
        where that cannot be written. `by` says who, `reason` why, in words for the audit stream."""
        fact = {"state": state, "since": _stamp(self._clock()), "by": by[:_SHORT]}
        fact |= {"reason": reason[:_SHORT]} if reason else {}
        try:
            if self._path is None:
                raise FileNotFoundError("no data directory")
            _write(self._path, fact)
        except OSError as error:
            self._set(fact)
            self.problem = f"{_NOT_KEPT} ({type(error).__name__})" if self._off else None
            return False
        self._seen = _seen(self._path)
        self._set(fact)
        self.problem = None
        return True

    def hand_down(self) -> None:
        """Let processes that are started from here on begin as this one stands, where that cannot
        be kept."""
        os.environ.pop(HANDED_DOWN, None)
        if self._off and self.problem:
            fact = {"state": "off", "since": self._since, "by": "the parent of the workers"}
            found = _seen(self._path) if self._path is not None else None
            os.environ[HANDED_DOWN] = json.dumps([fact, found])

    def _read(self, path: Path) -> None:
        """Take over what the file says; one that is gone or broken changes nothing."""
        try:
            with path.open("rb") as file:
                fact = json.loads(file.read(_MOST))
            if not isinstance(fact, dict) or fact.get("state") not in ("off", "on"):
                raise ValueError
        except FileNotFoundError:  # its disk, perhaps
            self.problem = f"{FILE} is gone: {self._stays}" if self._off else None
            return
        except (OSError, ValueError, RecursionError) as error:
            self.problem = f"{FILE} cannot be read: {self._stays}"
            log.warn("switch NOT read", error=type(error).__name__)
            return
        self.problem = None
        self._set(fact)

    @property
    def _stays(self) -> str:
        state = "off, until a restart" if self._off else "on"
        return f"the switch stays {state}; give `cds-service off` or `on`"

    def _set(self, fact: dict[str, Any]) -> None:
        before, self._off = self._off, fact["state"] == "off"
        self._since = str(fact["since"])[:_SHORT] if "since" in fact else None
        metrics.switched_off.set(self._off)
        if self._off != before:
            names = [name for name in ("since", "by", "reason") if name in fact]
            told = {name: str(fact[name])[:_SHORT] for name in names}
            log.audit(f"switched {fact['state']}", **told)


def _seen(path: Path) -> _Seen:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _write(path: Path, fact: dict[str, str]) -> None:
    """Whole or not at all, and lasting. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, prefix=FILE, delete=False) as file:
        json.dump(fact, file)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(file.name, 0o644)  # readable also where another user wrote it
    os.replace(file.name, path)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
