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
Known = Literal["off", "on", "unknown"]
"""`unknown`: its file cannot be read, and what it said before is not known, as after a start. Then
nothing is decided, and nobody is told that there is nothing to say."""
TURNS: Final[Mapping[signal.Signals, State]] = {signal.SIGUSR1: "off", signal.SIGUSR2: "on"}
"""The signals that turn it."""

HELD: Final = frozenset({signal.SIGHUP, *TURNS})
"""Signals that would end a process without a handler: held back until it has one."""

_MEND = "give `cds-service off` or `on`"
_NOT_KEPT = "the switch cannot be kept: a restart of the service turns it on again"
_MOST = 4096  # bytes of the file
_SHORT = 200  # characters of what an operator says

_Seen = tuple[int, int, int] | None
_HIDDEN: Final = 0, 0, 0


class Switch:
    """The switch as one process sees it; without a directory it is on for good."""

    def __init__(
        self, directory: Path | None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._path = directory / FILE if directory is not None else None
        self._clock = clock
        self._seen: _Seen = None
        self._state: Known | None = None  # not looked yet
        self._since: str | None = None
        self.problem: str | None = None
        if told := os.environ.get(HANDED_DOWN):
            fact, seen, self.problem = json.loads(told)
            self._seen = tuple(seen) if seen else None  # a file that changed since then counts
            self._set(fact)

    @property
    def state(self) -> Known:
        """How it stands now: one look at the file, read when it has changed or was not read."""
        if self._path is not None and (found := _seen(self._path)) != self._seen:
            self._seen = found
            self._read(self._path)
        return self._state or "on"

    @property
    def said(self) -> str | None:
        """What readiness tells while it is off."""
        since = f" since {self._since}" if self._since else ""
        off = f"switched off{since}: every call gets an empty list"
        return off if self.state == "off" else None

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
            self._seen = _seen(self._path) if self._path is not None else None
            self._set(fact)
            self.problem = f"{_NOT_KEPT} ({type(error).__name__})" if state == "off" else None
            return False
        self._seen = _seen(self._path)
        self._set(fact)
        self.problem = None
        return True

    def hand_down(self) -> None:
        """Let processes that are started from here on begin as this one stands, where they could
        not learn it from the file."""
        os.environ.pop(HANDED_DOWN, None)
        if self.state != "unknown" and self.problem:
            fact = {"state": self.state, "since": self._since, "by": "the parent of the workers"}
            os.environ[HANDED_DOWN] = json.dumps([fact, self._seen, self.problem])

    def _read(self, path: Path) -> None:
        """Take over what the file says; one that is gone or broken changes nothing. A broken one
        is read again at the next look: its disk may come back. A directory that was closed from the
        start, and is open now, tells that there is none."""
        try:
            with path.open("rb") as file:
                fact = json.loads(file.read(_MOST))
            if not isinstance(fact, dict) or fact.get("state") not in ("off", "on"):
                raise ValueError
        except FileNotFoundError:  # its disk, perhaps
            if self._state == "unknown":
                self.problem = None
                self._set({"state": "on", "reason": f"there is no {FILE}, as can be seen now"})
            elif self._state == "off":
                self.problem = f"{FILE} is gone: the switch stays off, until a restart; {_MEND}"
            return
        except (OSError, ValueError, RecursionError) as error:
            if self._seen != _HIDDEN:
                self._seen = None
            self._not_read(type(error).__name__)
            return
        self.problem = None
        self._set(fact)

    def _not_read(self, error: str) -> None:
        if self._state in (None, "unknown"):
            self._state = "unknown"
            metrics.switched_off.set(True)
            what = "whether the service was switched off is not known, and calls get HTTP 503"
        else:
            what = f"the switch stays {self._state}, until a restart"
        before = self.problem
        self.problem = f"{FILE} in CDS_DATA_DIR cannot be read ({error}): {what}; {_MEND}"
        if self.problem != before:
            log.warn("switch NOT read", error=error, switch=self._state)

    def _set(self, fact: dict[str, Any]) -> None:
        before, self._state = self._state, fact["state"]
        self._since = str(fact["since"])[:_SHORT] if fact.get("since") else None
        metrics.switched_off.set(self._state == "off")
        if self._state != (before or "on"):
            names = [name for name in ("since", "by", "reason") if fact.get(name)]
            told = {name: str(fact[name])[:_SHORT] for name in names}
            log.audit(f"switched {fact['state']}", **told)


def _seen(path: str | Path) -> _Seen:
    """Changes with the content, place and rights of the file; None where there is none."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:  # a directory that must not be entered, say: there may be one
        return _HIDDEN
    return found.st_ctime_ns, found.st_ino, found.st_size


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
