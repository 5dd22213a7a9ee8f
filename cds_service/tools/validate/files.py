"""Turns the paths on the command line into documents, one after the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_JSON = frozenset({".json"})
_LINES = frozenset({".ndjson", ".jsonl"})
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Task:
    """One document to validate: a whole file (`data` is None), or lines of one."""

    name: str
    line: int = 1
    data: bytes | None = None

    def read(self) -> bytes:
        """The bytes of the document. Raises OSError."""
        return Path(self.name).read_bytes() if self.data is None else self.data


def files(paths: Iterable[str]) -> list[str]:
    """All files meant: named ones whatever they are called, and *.json, *.ndjson and *.jsonl of
    folders, sorted; hidden ones are left out. Raises FileNotFoundError."""
    found: list[str] = []
    for path in paths:
        if path == STDIN or os.path.isfile(path):
            found.append(path)
        elif os.path.isdir(path):
            found += _in_folder(path)
        else:
            raise FileNotFoundError(path)
    return found


def _in_folder(folder: str) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in _JSON | _LINES:
                yield os.path.join(place, name)


def tasks(found: Iterable[str]) -> Iterator[Task]:
    """The documents of the files. NDJSON is read line by line, and so is standard input when its
    first line is a whole document and there are more."""
    for name in found:
        if name == STDIN:
            yield from _of_stdin(sys.stdin.buffer.read())
        elif Path(name).suffix.lower() in _LINES:
            with open(name, "rb") as lines:
                yield from _of_lines(name, lines)
        else:
            yield Task(name)


def _of_stdin(data: bytes) -> Iterator[Task]:
    lines = [line for line in data.splitlines() if line.strip()]
    starts = len(lines) > 1 and all(line.lstrip()[:1] == b"{" for line in lines[:2])
    if starts and lines[0].rstrip()[-1:] == b"}":
        yield from _of_lines("stdin", data.splitlines())
    else:
        yield Task("stdin", 1, data)


def _of_lines(name: str, lines: Iterable[bytes]) -> Iterator[Task]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield Task(name, number, line)
