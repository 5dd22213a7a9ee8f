"""The requests that the playground offers, with their dates moved to today.

The file is written by scripts/make-samples from the whole requests of the tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

_FILE = Path(__file__).parent / "content" / "samples.json"
_DATE = re.compile(rb'(?<=")\d{4}-\d\d-\d\d(?=["T])')


@dataclass(frozen=True, slots=True)
class Sample:
    """One request with its id, the group it is listed in, and a title of one line."""

    id: str
    group: str
    title: str
    request: Raw


class _SamplesFile(msgspec.Struct, frozen=True):
    day: date
    samples: list[Sample]
    facts: Raw
    orders: Raw
    egfr: Raw
    systems: Raw


class Samples:
    """Everything the playground offers."""

    def __init__(self, file: Path = _FILE) -> None:
        self._content = msgspec.json.decode(file.read_bytes(), type=_SamplesFile)
        self._samples = {sample.id: sample for sample in self._content.samples}

    @property
    def first(self) -> str:
        """Id of the first one."""
        return next(iter(self._samples))

    def request(self, id_: str, today: date) -> bytes | None:
        """The request of a sample as JSON, its dates as if it had been written today."""
        sample = self._samples.get(id_)
        return self._moved(sample.request, today) if sample else None

    def requests(self, today: date) -> list[bytes]:
        """The requests of all samples."""
        return [self._moved(sample.request, today) for sample in self._samples.values()]

    def kit(self, today: date) -> dict[str, Any]:
        """The list of samples, and what can be put into a request: facts, draft orders, eGFR."""
        content = self._content
        parts = {"facts": content.facts, "orders": content.orders, "egfr": content.egfr}
        return {
            "today": today,
            "systems": content.systems,
            "samples": [
                {"id": sample.id, "group": sample.group, "title": sample.title}
                for sample in content.samples
            ],
        } | {name: Raw(self._moved(part, today)) for name, part in parts.items()}

    def _moved(self, text: bytes | Raw, today: date) -> bytes:
        shift = today - self._content.day
        return _DATE.sub(lambda found: _moved_date(found[0], shift), bytes(text))


def _moved_date(text: bytes, shift: timedelta) -> bytes:
    return (date.fromisoformat(text.decode()) + shift).isoformat().encode()
