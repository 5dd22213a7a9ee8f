"""What FHIR servers say of themselves (CapabilityStatement), remembered for a while.

What is not known is asked for: a server that says nothing has everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

KEPT_SECONDS: Final = 3600.0
UNKNOWN_SECONDS: Final = 300.0
"""How long a server is remembered that did not say: it is not asked anew with each call."""
MOST_SERVERS: Final = 100
_COMBINATION: Final = (
    "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination"
)
_EXPECTATION: Final = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation"
_STATEMENTS: Final = ("MedicationStatement", "MedicationUsage")
_SEARCH: Final = "search-type"


@dataclass(frozen=True, slots=True)
class Declared:
    """What one server can be searched for. `types` is None where it does not say;
    `wants_intent`: a search for MedicationRequest needs `intent` there."""

    types: frozenset[str] | None = None
    wants_intent: bool = False

    @property
    def statements(self) -> str | None:
        """The resource type of what is taken; None where the server has none."""
        if self.types is None:
            return _STATEMENTS[0]
        return next((kind for kind in _STATEMENTS if kind in self.types), None)


class Servers:
    """What was learned of each server, by its base URL, for all calls of this process.

    `clock` counts seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, Declared]] = {}
        self._intent: dict[str, bool] = {}

    def known(self, base: str) -> Declared | None:
        """What is remembered; None where the server has to be asked."""
        until, declared = self._known.get(base, (0.0, None))
        return declared if self._clock() < until else None

    def keep(self, base: str, content: bytes | None) -> Declared:
        """Remember the answer of a server to `/metadata`; None where there was none."""
        declared = read_capabilities(content) if content is not None else Declared()
        self._known.pop(base, None)
        _make_room(self._known)
        seconds = UNKNOWN_SECONDS if declared.types is None else KEPT_SECONDS
        self._known[base] = self._clock() + seconds, declared
        return declared

    def learn_intent(self, base: str, *, wanted: bool) -> None:
        """Remember that a server answered a search only with `intent`, or only without."""
        self._intent.pop(base, None)
        _make_room(self._intent)
        self._intent[base] = wanted

    def wants_intent(self, base: str) -> bool | None:
        """Whether a search for MedicationRequest goes with `intent`: as it was seen, else as the
        server says. None where it may go either way."""
        declared = self.known(base)
        said = True if declared is not None and declared.wants_intent else None
        return self._intent.get(base, said)


def _make_room(servers: dict[str, Any]) -> None:
    while len(servers) >= MOST_SERVERS:
        del servers[next(iter(servers))]


# --- reading ---


class _Extension(msgspec.Struct):
    url: str = ""
    valueString: str | None = None
    valueCode: str | None = None
    extension: list[_Extension] = []


class _Interaction(msgspec.Struct):
    code: str = ""


class _Resource(msgspec.Struct):
    type: str = ""
    interaction: list[_Interaction] = []
    extension: list[_Extension] = []


class _Rest(msgspec.Struct):
    mode: str = "server"
    resource: list[_Resource] = []


class _Capabilities(msgspec.Struct):
    rest: list[_Rest]


_READ: Final = msgspec.json.Decoder(_Capabilities)


def read_capabilities(content: bytes) -> Declared:
    """A CapabilityStatement, or a Conformance (DSTU2); of anything else nothing is known."""
    try:
        said = _READ.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Declared()
    resources = [r for rest in said.rest if rest.mode != "client" for r in rest.resource]
    types = frozenset(r.type for r in resources if _can_be_searched(r))
    if not types:
        return Declared()
    orders = (r for r in resources if r.type == "MedicationRequest")
    return Declared(types, any(_wants_intent(resource) for resource in orders))


def _can_be_searched(resource: _Resource) -> bool:
    told = {interaction.code for interaction in resource.interaction}
    return not told or _SEARCH in told


def _wants_intent(resource: _Resource) -> bool:
    """Whether patient and intent go together by obligation, as in US Core; where patient and status
    do as well (AU Core), nothing more is needed."""
    obliged = [set(_required(one)) for one in resource.extension if one.url == _COMBINATION]
    return {"patient", "intent"} in obliged and {"patient", "status"} not in obliged


def _required(combination: _Extension) -> list[str]:
    parts = combination.extension
    if any(part.url == _EXPECTATION and part.valueCode != "SHALL" for part in parts):
        return []
    return [part.valueString for part in parts if part.url == "required" and part.valueString]
