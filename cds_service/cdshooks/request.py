"""Reads the bytes of a CDS Hooks call: strict about JSON, tolerant about what real clients send.

Only the small members are decoded. Draft orders and prefetch stay undecoded JSON, so that a large
chart is scanned here once and decoded only where somebody needs it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw, Struct
from pydantic import ValidationError

from cds_service.cdshooks.encoding import line_and_column
from cds_service.cdshooks.models import CDSRequest, Context, FhirAuthorization
from cds_service.errors import BadRequest, TooLarge

MAX_TEXT = 1024
"""Longest id in a request, in characters; FHIR allows 64, Epic sends 194."""

MAX_MEMBERS = 1_000
"""Most members of the call, of its context, and of prefetch: each is walked over."""

_NOTHING = Raw()
_PARTS = frozenset({"context", "prefetch"})
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_BYTE = re.compile(r"\(byte (\d+)\)")
_ESCAPE = re.compile(  # the group is half a surrogate pair; whole pairs are passed over
    rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\."
)
_KEY = re.compile(rb'[ \t\r\n,{]*("(?:[^"\\]|\\.)*")[ \t\r\n]*:[ \t\r\n]*')
_END = re.compile(rb"[ \t\r\n,{]*\}")
_PATIENT = re.compile(r"(?:.*/)?Patient/([^/?#\s]+)(?:/_history/[^/]*)?/?")
# `medications` (medication-prescribe) and `orders` (order-review) are the names before 1.0.
_ORDER_MEMBERS = ("draftOrders", "orders", "medications")

Members = Mapping[str, Raw]


class CallMembers(Struct, frozen=True, gc=False):
    """The members of a call, undecoded, each once; those of `context` and `prefetch`, too, where
    they are objects."""

    body: bytes
    members: Members
    context: Members | None
    prefetch: Members | None

    def without_prefetch(self) -> bytes:
        """The call as JSON again, each member once."""
        members = {name: raw for name, raw in self.members.items() if name not in _PARTS}
        return _ENCODER.encode(members | {"context": self.context})


class _UsualCall(Struct, gc=False, omit_defaults=True):
    """What calls are made of, with nothing else beside it: taken apart in one pass."""

    hook: Raw
    hookInstance: Raw
    context: dict[str, Raw]
    prefetch: dict[str, Raw]
    fhirServer: Raw = _NOTHING
    fhirAuthorization: Raw = _NOTHING
    extension: Raw = _NOTHING


_USUAL = msgspec.json.Decoder(_UsualCall)
_ENCODER = msgspec.json.Encoder()
_SELDOM = ("fhirServer", "fhirAuthorization", "extension")


def parse(body: bytes) -> CDSRequest:
    """Read a call from UTF-8 JSON. Raises what `open_call` and `request_of` do."""
    return request_of(open_call(body))


def open_call(body: bytes) -> CallMembers:
    """Take a call apart. Raises BadRequest with the place when the body is not one JSON object, or
    when a member of the call, its context or prefetch stands twice; TooLarge for too many."""
    return _usual_call(body) or _unusual_call(body, _object(body, "body"))


def _usual_call(body: bytes) -> CallMembers | None:
    """A call in compact JSON without anything odd. None: look at it member by member."""
    try:
        call = _USUAL.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    if len(call.context) > MAX_MEMBERS or len(call.prefetch) > MAX_MEMBERS:
        return None
    # No text can be shorter than this one with the same members: blanks, escapes, and a member that
    # stands twice make it longer.
    if len(_ENCODER.encode(call)) != len(body):
        return None
    small = {"hook": call.hook, "hookInstance": call.hookInstance}
    for name in _SELDOM:
        if (raw := getattr(call, name)) is not _NOTHING:
            small[name] = raw
    return CallMembers(body, small, call.context, call.prefetch)


def _unusual_call(body: bytes, members: dict[str, Raw]) -> CallMembers:
    context, prefetch = members.get("context"), members.get("prefetch")
    is_object = context is not None and bytes(context).startswith(b"{")
    return CallMembers(
        body,
        members,
        _object(bytes(context or b""), "context") if is_object else None,
        None if _is_null(prefetch) else _object(bytes(prefetch or b""), "prefetch"),
    )


def request_of(call: CallMembers) -> CDSRequest:
    """Read the members of a call.

    Raises BadRequest with the place when hook, hookInstance, context or context.patientId is
    missing or of the wrong type (CDS Hooks 2.0 "HTTP Request"). Everything else that is odd is
    left out and named in `notes`.
    """
    notes: list[str] = []
    members = call.members
    context = _context(call, notes)
    hook = _required_text(members, "hook", "hook")
    instance = _required_text(members, "hookInstance", "hookInstance")
    return CDSRequest(
        hook=hook,
        hook_instance=instance,
        context=context,
        fhir_server=_fhir_server(members, notes),
        fhir_authorization=_fhir_authorization(members, notes),
        prefetch=call.prefetch,
        extension=members.get("extension"),
        notes=tuple(notes),
    )


class _Hook(msgspec.Struct):
    hook: str | None = None


def hook_of(body: bytes) -> str | None:
    """The hook of a call that is not read otherwise; None where it cannot be seen."""
    try:
        return msgspec.json.decode(body, type=_Hook).hook
    except (msgspec.DecodeError, RecursionError):
        return None


def resource_type(body: bytes) -> str | None:
    """`resourceType` of a JSON object that may be a FHIR resource. Raises BadRequest."""
    value = _value(_object(body, "body").get("resourceType"))
    return value if isinstance(value, str) else None


# --- JSON ---


def members(raw: bytes, place: str) -> dict[str, Raw]:
    """Members of a JSON object, undecoded, each once. Raises BadRequest. `place` names it."""
    return _object(raw, place)


def _object(raw: bytes, place: str) -> dict[str, Raw]:
    """Members of a JSON object, undecoded. Raises BadRequest when it is none, or TooLarge."""
    try:
        members = _MEMBERS.decode(raw)
    except msgspec.ValidationError:
        raise BadRequest("must be a JSON object", place) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _malformed(raw, error) from None
    if len(members) > MAX_MEMBERS:
        raise TooLarge(f"more than {MAX_MEMBERS} members in one object", place)
    _refuse_duplicates(raw, members, place)
    return members


def _malformed(raw: bytes, error: Exception) -> BadRequest:
    """Say what is wrong with JSON that cannot be decoded, and where."""
    if isinstance(error, RecursionError):
        return BadRequest("nested too deeply", "body")
    if not raw.strip():
        return BadRequest("the body is empty", "body")
    message = str(error)
    found = _BYTE.search(message)
    if found is None or "surrogate" in message:
        for escape in _ESCAPE.finditer(raw):
            if escape[1]:
                place = line_and_column(raw, escape.start())
                return BadRequest("not JSON: half a surrogate pair", place)
    if found is None:
        return BadRequest("not JSON: ends too early", line_and_column(raw, len(raw)))
    reason = message[: found.start()].removeprefix("JSON is malformed:").strip()
    return BadRequest(f"not JSON: {reason}", line_and_column(raw, int(found[1])))


def _refuse_duplicates(raw: bytes, members: Members, place: str) -> None:
    """Raise BadRequest when a member stands twice: which of the two is meant is not known.

    msgspec keeps the last one, so walk over the object with the values at hand: a value that is
    not where its key is belongs to a second key of that name.
    """
    if _is_tight(raw, members):
        return
    seen: set[str] = set()
    position = 0
    while found := _KEY.match(raw, position):
        key = msgspec.json.decode(found[1], type=str)
        value = bytes(members[key])
        if key in seen or not raw.startswith(value, found.end()):
            raise BadRequest(
                "this member stands twice", key if place == "body" else f"{place}.{key}"
            )
        seen.add(key)
        position = found.end() + len(value)
    if not _END.match(raw, position):  # a number that another number begins with
        raise BadRequest("a member stands twice", place)


def _is_tight(raw: bytes, members: Members) -> bool:
    """Whether the text is no longer than these members need, so that none can stand twice.

    Compact JSON is told by this at once: each member takes two quotes and a colon, and a comma
    follows all but the last. Blanks or escapes in a key make the text longer.
    """
    return len(raw) == _size(members, members.values())


def _size(keys: Collection[str], values: Iterable[Raw]) -> int:
    """The length of the shortest text that holds these members."""
    names = "".join(keys)
    length = len(names) if names.isascii() else len(names.encode())
    return max(2, 1 + length + 4 * len(keys) + sum(memoryview(value).nbytes for value in values))


def _is_null(raw: Raw | None) -> bool:
    return raw is None or bytes(raw) == b"null"


def _value(raw: Raw | None) -> Any:
    try:
        return None if raw is None else msgspec.json.decode(raw)
    except msgspec.ValidationError:  # the JSON was read before: only numbers can still be wrong
        raise BadRequest("a number is out of range", "body") from None


def _required_text(members: Members, name: str, place: str) -> str:
    value = _value(members.get(name))
    if value is None:
        raise BadRequest("is required", place)
    if not isinstance(value, str) or not value.strip():
        raise BadRequest("must be a string that is not blank", place)
    return _bounded(value.strip(), place)


def _optional_text(members: Members, name: str, notes: list[str]) -> str | None:
    value = _value(members.get(name))
    if isinstance(value, str) and value.strip():
        return _bounded(value.strip(), f"context.{name}")
    if value is not None:
        notes.append(f"context.{name} is not a string: ignored")
    return None


def _bounded(text: str, place: str) -> str:
    if len(text) > MAX_TEXT:
        raise BadRequest(f"has more than {MAX_TEXT} characters", place)
    return text


# --- members ---


def _context(call: CallMembers, notes: list[str]) -> Context:
    context = call.context
    if context is None:
        raw = call.members.get("context")
        if _is_null(raw):
            raise BadRequest("is required", "context")
        context = _context_object(bytes(raw or b""), notes)
    patient = _patient_id(_required_text(context, "patientId", "context.patientId"))
    user = _optional_text(context, "userId", notes)
    if user is None:
        notes.append("context.userId is missing")
    return Context(
        patient_id=patient,
        user_id=user,
        encounter_id=_optional_text(context, "encounterId", notes),
        selections=_selections(context, notes),
        draft_orders=_draft_orders(context, notes),
    )


def _context_object(raw: bytes, notes: list[str]) -> Members:
    """`context`, also as a list of one object, as clients before 1.0 sent it."""
    if not raw.startswith(b"["):
        return _object(raw, "context")
    items = msgspec.json.decode(raw, type=list[Raw])
    if len(items) != 1:
        raise BadRequest("must be a JSON object", "context")
    notes.append("context is a list of one object")
    return _object(bytes(items[0]), "context")


def _patient_id(text: str) -> str:
    """The bare id of `x`, `Patient/x` or `https://ehr/Patient/x`."""
    if "/" not in text:
        return text
    found = _PATIENT.fullmatch(text)
    if not found:
        raise BadRequest("must be the id of a Patient", "context.patientId")
    return found[1]


def _selections(context: Members, notes: list[str]) -> tuple[str, ...]:
    value = _value(context.get("selections"))
    if value is None:
        return ()
    if not isinstance(value, list):
        notes.append("context.selections is not a list: ignored")
        return ()
    return tuple(_selected(item) for item in value if isinstance(item, str) and item.strip())


def _selected(text: str) -> str:
    """`Type/id` of `Type/id`, an absolute URL, or a reference with a version; a bare id stays."""
    parts = text.strip().partition("/_history/")[0].rstrip("/").split("/")
    return "/".join(parts[-2:])


def _draft_orders(context: Members, notes: list[str]) -> Raw | None:
    """The orders, undecoded: a Bundle, a list, or JSON text in a string."""
    for name in _ORDER_MEMBERS:
        raw = context.get(name)
        if _is_null(raw):
            continue
        if bytes(raw or b"")[:1] not in {b"{", b"[", b'"'}:
            raise BadRequest("must be a Bundle", f"context.{name}")
        if name != "draftOrders":
            notes.append(f"draft orders were sent as context.{name}")
        return raw
    return None


def _fhir_server(members: Members, notes: list[str]) -> str | None:
    value = _value(members.get("fhirServer"))
    if value is None:
        return None
    try:
        parts = urlsplit(value.strip())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except (AttributeError, ValueError):
        usable = False
    if not usable:
        notes.append("fhirServer is not an http(s) URL: no FHIR access")
        return None
    return str(value).strip().rstrip("/")


def _fhir_authorization(members: Members, notes: list[str]) -> FhirAuthorization | None:
    value = _value(members.get("fhirAuthorization"))
    if value is None:
        return None
    try:
        return FhirAuthorization.model_validate(value)
    except ValidationError:
        notes.append("fhirAuthorization cannot be used: no FHIR access")
        return None
