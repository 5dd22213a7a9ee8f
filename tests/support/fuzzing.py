"""Made-up requests for fuzzing: fixtures with pieces torn out, put twice, swapped and blown up."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.support.constants import FIXTURES
from tests.support.wire_rules import check_answer

MAY_BE = frozenset({200, 400, 404, 405, 412, 413, 415})
"""Statuses that a request without token may get; anything else is a find."""

SERVICES = ("ho-order-sign", "ho-order-select", "ho-patient-view")
ENDPOINTS = tuple(f"/cds-services/{name}{end}" for name in SERVICES for end in ("", "/feedback"))
LARGEST = 60_000
"""Fixtures beyond this size, in bytes, are left out: they say nothing that a small one does not."""

_TYPES = (
    "Patient", "Condition", "Procedure", "MedicationRequest", "MedicationStatement", "Observation",
    "AllergyIntolerance", "FamilyMemberHistory", "ServiceRequest", "Bundle", "OperationOutcome",
    "Medication", "MedicationOrder", "ProcedureRequest", "Immunization", "Nonsense", "",
)  # fmt: skip
_WORDS = (
    "", " ", "\u202e", "\x00", "Patient/", "urn:uuid:x", "2026", "2026-13-45", "-0001-01-01",
    "9999-12-31T23:59:60+14:00", "http://snomed.info/sct", "444748003", "M61.1", "😀" * 40,
    "x" * 300, "<script>", "#med", "#", "../..", "entered-in-error", "active", "1e999", "NaN",
)  # fmt: skip


_TOKENS = (
    "1e999,", "-1e999", "9" * 400, "1e-999", "-0", "01", "+1", ".5", "NaN", "Infinity", "tru",
    '"\\ud800"', '"\\u0000"', '"\\x"', '"a\nb"', "[[[", "}}", "null", '""', "[]", "{}",
    '{"a":1,"a":2}',
    '{"id":1,"id":2},"id":', "/**/", "'x'", "\ufeff", "\u2028", '"' + "x" * 5000 + '"', "[" * 150,
)  # fmt: skip
_COLON = re.compile(r": ")
_VALUE = re.compile(r'"[^"]*"|[\d.]+|true|false|null')


@cache
def fixtures() -> tuple[dict[str, Any], ...]:
    """The small fixtures."""
    texts = [path.read_bytes() for path in sorted(FIXTURES.glob("*.json"))]
    return tuple(json.loads(text) for text in texts if len(text) < LARGEST)


def odd_values() -> st.SearchStrategy[Any]:
    """Any JSON, with a taste for what readers of FHIR stumble over."""
    plain = (
        st.none()
        | st.booleans()
        | st.integers(-(2**70), 2**70)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.sampled_from(_WORDS)
        | st.text(max_size=20)
    )
    names = st.sampled_from(("resourceType", "id", "code", "coding", "system", "value", "entry"))
    return st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    )


@st.composite
def requests(draw: DrawFn) -> dict[str, Any]:
    """A fixture with one to six mistakes."""
    body = deepcopy(draw(st.sampled_from(fixtures())))
    for _ in range(draw(st.integers(1, 6))):
        places = list(_places(body))
        if not places:
            break
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        draw(st.sampled_from(_MISTAKES))(draw, holder, key)
    made: dict[str, Any] = body
    return made


@st.composite
def texts(draw: DrawFn) -> bytes:
    """A fixture as JSON text with values written over: also such as json.dumps never writes."""
    text = json.dumps(draw(st.sampled_from(fixtures())))
    for _ in range(draw(st.integers(1, 4))):
        ends = [found.end() for found in _COLON.finditer(text)]
        if not ends:
            break
        at = ends[draw(st.integers(0, len(ends) - 1))]
        rest = _VALUE.sub("", text[at:], count=1) if draw(st.booleans()) else text[at:]
        text = text[:at] + draw(st.sampled_from(_TOKENS)) + rest
    return text.encode("utf-8", "surrogatepass")


@st.composite
def feedback(draw: DrawFn) -> dict[str, Any]:
    """Feedback with mistakes."""
    item: dict[str, Any] = {
        "card": "9f1c2f0e-5b1d-4f7c-8d3a-2a6f0b9c1e77",
        "outcome": draw(st.sampled_from(("accepted", "overridden"))),
        "acceptedSuggestions": [{"id": "9f1c2f0e-5b1d-4f7c-8d3a-2a6f0b9c1e78"}],
        "overrideReason": {"reason": {"code": "x", "system": "y"}, "userComment": "z"},
        "outcomeTimestamp": "2026-11-23T10:00:00Z",
    }
    body = {"feedback": [item, deepcopy(item)]}
    for _ in range(draw(st.integers(0, 4))):
        places = list(_places(body))
        if not places:
            break
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        draw(st.sampled_from(_MISTAKES))(draw, holder, key)
    return body


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every member and item, as (what holds it, its key)."""
    found: list[tuple[Any, Any]] = []
    open_values = [value]
    while open_values:
        holder = open_values.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                open_values.append(holder[key])
    return found


def _remove(_: DrawFn, holder: Any, key: Any) -> None:
    del holder[key]


def _replace(draw: DrawFn, holder: Any, key: Any) -> None:
    holder[key] = draw(odd_values())


def _wrap(_: DrawFn, holder: Any, key: Any) -> None:
    holder[key] = [holder[key]]


def _unwrap(_: DrawFn, holder: Any, key: Any) -> None:
    value = holder[key]
    if isinstance(value, list) and value:
        holder[key] = value[0]
    elif isinstance(value, dict) and value:
        holder[key] = next(iter(value.values()))


def _twice(_: DrawFn, holder: Any, key: Any) -> None:
    value = holder[key]
    holder[key] = value * 2 if isinstance(value, list | str) else [value, deepcopy(value)]


def _retype(draw: DrawFn, holder: Any, key: Any) -> None:
    if isinstance(holder, dict):
        holder["resourceType"] = draw(st.sampled_from(_TYPES))


def _rename(draw: DrawFn, holder: Any, key: Any) -> None:
    if isinstance(holder, dict):
        holder[draw(st.sampled_from(_WORDS))] = holder.pop(key)


def _text(_: DrawFn, holder: Any, key: Any) -> None:
    holder[key] = json.dumps(holder[key])


_MISTAKES: tuple[Callable[[DrawFn, Any, Any], None], ...] = (
    _remove, _replace, _replace, _replace, _wrap, _unwrap, _twice, _retype, _rename, _text,
)  # fmt: skip


@dataclass
class Ledger:
    """What came of a campaign. `slowest` in seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0

    def sent(self, response: httpx.Response, seconds: float) -> None:
        """Count an answer. Raises AssertionError when it is none that may be."""
        self.statuses[response.status_code] += 1
        self.slowest = max(self.slowest, seconds)
        assert response.status_code in MAY_BE, f"{response.status_code}: {response.text[:300]}"
        if response.request.url.path.endswith("/feedback"):
            return
        if response.headers.get("content-type") == "application/json":
            check_answer(response.status_code, response.read(), _sent(response.request))

    @property
    def total(self) -> int:
        """Number of answers."""
        return self.statuses.total()


def _sent(request: httpx.Request) -> Any:
    try:
        return json.loads(request.content)
    except (ValueError, RecursionError):
        return None


def post(client: httpx.Client, ledger: Ledger, path: str, content: bytes) -> None:
    """Send one body and look at the answer."""
    started = time.perf_counter()
    response = client.post(path, content=content, headers={"Content-Type": "application/json"})
    ledger.sent(response, time.perf_counter() - started)
