"""Writes log lines on threads of its own, so that a log that cannot be written stops no call.

A line waits until it is written: while nobody reads the pipe, while the disk is full, while the
reader is gone. So many wait; further ones are dropped and counted.
"""

from __future__ import annotations

import logging
import os
import queue
import select
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from cds_service.ops import metrics

AUDIT, OTHER = "audit", "other"
_MOST_WAITING = {AUDIT: 10_000, OTHER: 5_000}  # some 10 MB at most
_STUCK_SECONDS = 1.0  # a write that takes longer counts as trouble
_RETRY_SECONDS = 0.5
_REMEMBERED_SECONDS = 300.0  # for which health tells of dropped lines
_MOST_AT_ONCE = select.PIPE_BUF  # bytes that workers on one pipe write without mixing lines
_MOST_TAKEN = 100
_GATHERING_SECONDS = 0.005
"""Between two writes of the common stream: to wake this thread for each line costs a busy service
more than the line. Audited lines are written at once."""
_WRITING = threading.Lock()  # of standard error: one line after the other

Written = Future[None]
_Line = TypeVar("_Line")


class LogQueue(Generic[_Line]):
    """The lines of one stream on their way to standard error.

    Until `start` they are written at once, as a command line tool does.
    """

    def __init__(self, stream: str, line_of: Callable[[logging.LogRecord | _Line], bytes]) -> None:
        self.stream = stream
        self.dropped = 0
        # There from the start: Prometheus sees no increase in a figure that begins above 0.
        metrics.log_dropped.labels(stream)
        self._line_of = line_of
        self._waiting: queue.SimpleQueue[logging.LogRecord | _Line | Written] = queue.SimpleQueue()
        self._taken = 0
        self._started = False
        self._error: str | None = None
        self._began: float | None = None
        self._last_drop = -_REMEMBERED_SECONDS
        self._told = 0

    @property
    def is_started(self) -> bool:
        return self._started

    def start(self) -> None:
        """Begin to write on a thread."""
        if not self._started:
            self._started = True
            # A daemon: at the end of the process it may hang in a pipe that nobody reads.
            threading.Thread(target=self._run, name=f"log {self.stream}", daemon=True).start()

    def put(self, record: logging.LogRecord | _Line) -> None:
        """Hand over a line. Never blocks and never raises, once started."""
        if not self._started:
            self._write_now(record)
            return
        if self._waiting.qsize() < _MOST_WAITING[self.stream]:
            self._waiting.put(record)
        else:
            self._drop()

    def written(self) -> Written:
        """Done when all that was handed over before has been written."""
        marker: Written = Future()
        if self._started:
            self._waiting.put(marker)
        else:
            marker.set_result(None)
        return marker

    @property
    def trouble(self) -> str | None:
        """Why lines cannot be written now; None while they are."""
        began = self._began
        if self._error or began is None or time.monotonic() - began < _STUCK_SECONDS:
            return self._error
        return "nobody reads it"

    @property
    def problem(self) -> str | None:
        """What operators should know of this stream: trouble now, or lines dropped lately."""
        trouble = self.trouble
        if trouble is None and time.monotonic() - self._last_drop > _REMEMBERED_SECONDS:
            return None
        state = f"cannot be written ({trouble})" if trouble else "is written again"
        name = "the audit log" if self.stream == AUDIT else "the log"
        waiting = self._taken + self._waiting.qsize()
        return f"{name} {state}: {waiting} lines wait, {self.dropped} were dropped"

    # --- on the thread ---

    def _run(self) -> None:
        while True:
            taken = [self._waiting.get()]
            while len(taken) < _MOST_TAKEN and not self._waiting.empty():
                taken.append(self._waiting.get())  # nobody else takes
            self._taken = len(taken)
            self._write_all(taken)
            self._taken = 0
            if self.stream == OTHER and self._waiting.empty():
                time.sleep(_GATHERING_SECONDS)

    def _write_all(self, taken: list[logging.LogRecord | _Line | Written]) -> None:
        """Write lines, several at once where they are short, and tell who waits for them."""
        joined = b""
        for item in taken:
            line = b"" if isinstance(item, Future) else self._safe_line(item)
            if joined and (not line or len(joined) + len(line) > _MOST_AT_ONCE):
                self._write(joined)
                joined = b""
            joined += line
            if isinstance(item, Future) and item.set_running_or_notify_cancel():
                item.set_result(None)
        self._write(joined)
        if self.dropped > self._told:
            self._tell_dropped()

    def _write(self, data: bytes) -> None:
        """Write until it is written."""
        while data:
            self._began = self._began or time.monotonic()
            try:
                with _WRITING:
                    data = data[_to_standard_error(data) :]
            except OSError as error:
                self._error = (error.strerror or type(error).__name__).lower()
                time.sleep(_RETRY_SECONDS)
            else:
                self._error = self._began = None

    def _write_now(self, record: logging.LogRecord | _Line) -> None:
        try:
            _to_standard_error(self._safe_line(record))
        except OSError:
            self._drop()

    def _safe_line(self, record: logging.LogRecord | _Line) -> bytes:
        try:
            return self._line_of(record)
        except Exception as error:  # whatever is wrong with one line, the next ones are written
            return b'{"event":"a log line could not be made","level":"error","error":"%b"}\n' % (
                type(error).__name__.encode()
            )

    def _drop(self) -> None:
        self.dropped += 1
        self._last_drop = time.monotonic()
        metrics.log_dropped.labels(self.stream).inc()

    def _tell_dropped(self) -> None:
        more, self._told = self.dropped - self._told, self.dropped
        record = logging.LogRecord(__name__, logging.WARNING, "", 0, "lines dropped", None, None)
        record.stream, record.facts = "service", {"of": self.stream, "lines": more}
        self._write(self._safe_line(record))


def _to_standard_error(data: bytes) -> int:
    """Write to whatever is standard error now; the number of bytes taken. Raises OSError.

    Past Python's own buffer: its lock, held by a thread that hangs, would not let the process end.
    """
    stream = sys.stderr
    if stream is None or stream.closed:
        raise OSError(0, "standard error is closed")
    try:
        number = stream.fileno()
    except OSError:  # a stream in memory
        stream.write(data.decode())
        return len(data)
    return os.write(number, data)
