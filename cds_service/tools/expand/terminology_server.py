"""Calls of a FHIR terminology server: metadata, ValueSet/$expand, CodeSystem/$lookup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec

from cds_service.knowledge.code_systems import canonical
from cds_service.tools.expand.errors import (
    CannotGoOn,
    RowUnanswered,
    ServerBusy,
    TooCostly,
    refusal,
    short,
)

MOST_BYTES: Final = 50_000_000
"""Longest answer that is read."""

_UNCLOSED: Final = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed"
_TOO_COSTLY: Final = "http://hl7.org/fhir/StructureDefinition/valueset-toocostly"
_INACTIVE: Final = frozenset({"inactive", "retired", "deprecated"})


@dataclass(frozen=True, slots=True)
class Gained:
    """One code of an expansion. `inactive` is None where the server does not say."""

    system: str
    code: str
    display: str
    inactive: bool | None


@dataclass(frozen=True, slots=True)
class Expansion:
    """All codes of one ValueSet, and the release of the code system where it is stated."""

    codes: tuple[Gained, ...]
    release: str | None


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What $lookup says of one code. `known` is False where the server has no such code."""

    known: bool
    inactive: bool | None = None
    release: str | None = None


class TerminologyServer:
    """One FHIR R4 server. `ecl` asks with SNOMED CT's expression language instead of is-a.

    Raises CannotGoOn and RowUnanswered (see errors).
    """

    def __init__(
        self, base: str, token: str | None, *, page: int, most: int, timeout: float, ecl: bool
    ) -> None:
        self._base = base.rstrip("/")
        self._page, self._most, self._ecl = page, most, ecl
        headers = {"Accept": "application/fhir+json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx.Client(
            timeout=timeout, follow_redirects=False, trust_env=False, headers=headers
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def software(self) -> str:
        """Name and version of the server's software, of its CapabilityStatement."""
        status, body = self._send("GET", "metadata")
        if status in {401, 403}:
            raise refusal(status, body, "")
        if not isinstance(body, dict) or body.get("resourceType") != "CapabilityStatement":
            raise CannotGoOn(
                f"{self._base}/metadata is no CapabilityStatement (HTTP {status}); "
                "--server is the base URL of a FHIR terminology server, often ending in /fhir"
            )
        software = body.get("software")
        told = software if isinstance(software, dict) else {}
        name = short(f"{told.get('name') or ''} {told.get('version') or ''}")
        return name or "a server that does not name its software"

    def expand(self, system: str, code: str) -> Expansion:
        """The code and everything below it. Never less than the server says there is."""
        try:
            return self._pages(system, code, self._page)
        except TooCostly:
            if self._page > self._most:
                raise
            # HAPI FHIR takes `count` for the most codes that a whole expansion may have.
            return self._pages(system, code, self._most + 1)

    def lookup(self, system: str, code: str) -> LookedUp | None:
        """What the server says of one code; None where it cannot say."""
        status, body = self._send("POST", "CodeSystem/$lookup", _question(system, code))
        if status in {401, 403}:
            raise refusal(status, body, system)
        if status in {400, 404, 422}:
            return LookedUp(known=False)
        if status != 200 or not isinstance(body, dict):
            return None
        said = list(_parameters(body))
        release = next((str(p["valueString"]) for p in said if _is(p, "version")), None)
        return LookedUp(True, _inactive(said), release)

    # --- pages ---

    def _pages(self, system: str, code: str, page: int) -> Expansion:
        found: dict[tuple[str, str], Gained] = {}
        seen, release = 0, None
        while True:
            expansion = self._expand_once(system, code, seen, page)
            here = list(_contains(expansion.get("contains")))
            fresh = {(o.system, o.code): o for o in here if (o.system, o.code) not in found}
            found |= fresh
            seen += len(here)
            total = _whole(expansion.get("total"))
            release = release or _release(expansion, system)
            if max(len(found), total or 0) > self._most + 1:
                raise RowUnanswered(
                    f"it has {total or 'more than ' + str(self._most)} codes, above the limit of "
                    f"{self._most}; nothing of it is taken, raise the limit with --most"
                )
            if total is not None and len(found) >= total:
                return Expansion(tuple(found.values()), release)
            if not fresh:
                break
        if total is not None or (here and seen > len(here) and len(here) >= page):
            raise RowUnanswered(
                f"the server says {total or 'nothing on how many codes there are'} and sends "
                f"{len(found)}; nothing of it is taken, try a larger --page-size"
            )
        return Expansion(tuple(found.values()), release)

    def _expand_once(self, system: str, code: str, offset: int, count: int) -> Mapping[str, Any]:
        body = _intensional(system, code, offset, count, ecl=self._ecl)
        status, answer = self._send("POST", "ValueSet/$expand", body)
        expansion = answer.get("expansion") if isinstance(answer, dict) else None
        if status != 200 or not isinstance(expansion, dict):
            raise refusal(status, answer, system)
        marks = {e.get("url") for e in _dicts(expansion.get("extension"))}
        if _TOO_COSTLY in marks:
            raise TooCostly("the server says that the expansion is too costly; try another server")
        if _UNCLOSED in marks:
            raise RowUnanswered("the server says that its expansion is not complete (unclosed)")
        return expansion

    def _send(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if content is None else {"Content-Type": "application/fhir+json"}
        try:
            with self._client.stream(
                method, f"{self._base}/{path}", content=content, headers=headers
            ) as response:
                data = bytearray()
                for chunk in response.iter_bytes():
                    data += chunk
                    if len(data) > MOST_BYTES:
                        raise RowUnanswered(f"an answer is longer than {MOST_BYTES:,} bytes")
                return response.status_code, _decoded(bytes(data))
        except httpx.TimeoutException:
            limit = self._client.timeout.read
            raise ServerBusy(f"no answer within {limit} s; raise --timeout or try later") from None
        except httpx.HTTPError as error:
            reason = short(str(error)) or type(error).__name__
            raise CannotGoOn(f"{self._base} cannot be reached ({reason})") from None


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


# --- what is asked ---


def _intensional(system: str, code: str, offset: int, count: int, *, ecl: bool) -> object:
    """Parameters of ValueSet/$expand (FHIR R4, operation-valueset-expand) for one root."""
    asked = {"property": "concept", "op": "is-a", "value": code}
    if ecl:  # SNOMED CT with FHIR, "Implicit Value Sets"
        asked = {"property": "constraint", "op": "=", "value": f"<< {code}"}
    value_set = {
        "resourceType": "ValueSet",
        "status": "active",
        "compose": {"inactive": True, "include": [{"system": system, "filter": [asked]}]},
    }
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "valueSet", "resource": value_set},
            {"name": "offset", "valueInteger": offset},
            {"name": "count", "valueInteger": count},
        ],
    }


def _question(system: str, code: str) -> object:
    """Parameters of CodeSystem/$lookup (FHIR R4, operation-codesystem-lookup)."""
    properties = ("inactive", "status")
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "system", "valueUri": system},
            {"name": "code", "valueCode": code},
            *({"name": "property", "valueCode": name} for name in properties),
        ],
    }


# --- what is answered ---


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    yield from (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


def _contains(value: Any) -> Iterator[Gained]:
    """Every code of an expansion, also of a nested one."""
    for one in _dicts(value):
        code, system, display = one.get("code"), one.get("system"), one.get("display")
        if isinstance(code, str) and isinstance(system, str):
            inactive = one.get("inactive")
            yield Gained(
                canonical(system),
                code,
                short(display) if isinstance(display, str) else "",
                inactive if isinstance(inactive, bool) else None,
            )
        yield from _contains(one.get("contains"))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _release(expansion: Mapping[str, Any], system: str) -> str | None:
    """The release in a parameter of the expansion (`system|release`), else on its codes."""
    for one in _dicts(expansion.get("parameter")):
        value = one.get("valueUri", one.get("valueString", one.get("valueCanonical")))
        if one.get("name") in {"version", "used-codesystem"} and isinstance(value, str):
            named, _, release = value.partition("|")
            if release and canonical(named) == system:
                return short(release)
    stated = {one.get("version") for one in _dicts(expansion.get("contains"))}
    only = stated.pop() if len(stated) == 1 else None
    return short(only) if isinstance(only, str) and only else None


def _parameters(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from _dicts(body.get("parameter"))


def _is(parameter: Mapping[str, Any], name: str) -> bool:
    return parameter.get("name") == name and isinstance(parameter.get("valueString"), str)


def _inactive(said: list[dict[str, Any]]) -> bool:
    """Whether the properties `inactive` or `status` of a code say that it is no longer used."""
    for one in said:
        parts = {p.get("name"): p for p in _dicts(one.get("part"))}
        name = parts.get("code", {}).get("valueCode", parts.get("code", {}).get("valueString"))
        value = next((v for k, v in parts.get("value", {}).items() if k.startswith("value")), None)
        if name == "inactive" and value in (True, "true"):
            return True
        if name == "status" and str(value).lower() in _INACTIVE:
            return True
    return False
