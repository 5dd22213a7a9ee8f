"""Passes over a call whose draft orders were all seen before and found harmless for any patient.

Most calls of order-sign are about a laboratory test, an image or a tablet, and the same orders come
again and again. Which of them are harmless is decided in one place only, `clinical.harmless`, for
orders that were read in full. This module decides nothing. It remembers what was decided, and
knows an order again by its bytes:

* `learn` is told of a call that was read in full and passed over. Of each of its orders a digest is
  kept, made of every member but those that say who, where and when (`_BESIDE`, `_WHOSE`), with its
  identifiers and its dates left blank.
* `passes_over` looks at the draft orders of a call. Where each has a digest that is kept, and is
  for the patient of the call, the full way would pass over the call, too: all that it would judge
  is the same to the byte. Then neither orders nor prefetch are opened.

Whatever is not as usual is not passed over here but goes the full way: a member nobody expects, a
reference that is none, an order without subject, for somebody else, or never seen. So this can
only be too careful. It keeps no text of a call, and a change of the content makes it anew.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from cds_service.cdshooks.request import MAX_MEMBERS, members
from cds_service.errors import RequestError
from cds_service.fhir.subject import Subjects, Whose

MOST = 20_000
"""Orders that are remembered, some 3 MB; beyond it all are forgotten."""

_SIGNS = rb'[^"\\\x00-\x1f]*'
_TEXT = rb'"%b(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})%b)*"' % (_SIGNS, _SIGNS)  # RFC 8259 section 7
_GAP = rb"[ \t\r\n]*"
_NOTHING = Raw()


_Test = Callable[[Raw], re.Match[bytes] | None]


def _object(*names: bytes) -> bytes:
    """Objects with the first of these members and perhaps the others, in this order, once each."""
    first, *others = [rb'"%b"%b:%b%b' % (name, _GAP, _GAP, _TEXT) for name in names]
    more = b"".join(rb"(?:%b,%b%b)?" % (_GAP, _GAP, other) for other in others)
    return rb"\{%b%b%b%b\}" % (_GAP, first, more, _GAP)


def _list_of(*kinds: bytes) -> _Test:
    """Lists of these, also empty ones."""
    one = rb"%b(?:%b)%b" % (_GAP, b"|".join(kinds), _GAP)
    return re.compile(rb"\[(?:%b(?:,%b)*|%b)\]" % (one, one, _GAP)).fullmatch


_IS_TEXT = re.compile(_TEXT).fullmatch
_IS_REFERENCE = re.compile(_object(b"reference", b"type", b"display")).fullmatch
_IS_ID = re.compile(r"(?:Patient/)?[A-Za-z0-9._\-]{1,64}").fullmatch
_IS_SHORT = re.compile(r"[!-~]{1,200}").fullmatch  # what nobody cuts, trims or refuses

# Members of an order that are another in every call, and by which nothing is harmful or harmless.
_BESIDE: tuple[tuple[str, _Test], ...] = (
    ("id", _IS_TEXT),
    ("authoredOn", _IS_TEXT),
    ("occurrenceDateTime", _IS_TEXT),
    ("encounter", _IS_REFERENCE),
    ("requester", _IS_REFERENCE),
)
_WHOSE = ("subject", "patient", "for")
_IS_IDENTIFIERS = _list_of(
    _object(b"system", b"value", b"use"),
    _object(b"use", b"system", b"value"),
    _object(b"value"),
)
_BLANK = Raw(b'"?"')
_DATES = re.compile(
    rb'"20\d\d-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?"'
)


class _DraftEntry(Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    resource: dict[str, Raw]
    fullUrl: str | UnsetType = UNSET


class _Drafts(Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    resourceType: str
    entry: list[_DraftEntry]
    type: str | UnsetType = UNSET


class _CallContext(Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    patientId: str
    draftOrders: _Drafts
    userId: str | UnsetType = UNSET
    encounterId: str | UnsetType = UNSET
    selections: list[str] | UnsetType = UNSET


class _Call(Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What stands in a usual call. None of its members is a number: one can be written again in
    more signs than it came in, and lengths are compared."""

    hook: str
    hookInstance: str
    context: _CallContext
    prefetch: dict[str, Raw] | UnsetType = UNSET
    fhirServer: str | UnsetType = UNSET
    fhirAuthorization: Raw = _NOTHING
    extension: Raw = _NOTHING


_CALL = msgspec.json.Decoder(_Call)
_RAWS = msgspec.json.Decoder(list[Raw])
_TEXT_OF = msgspec.json.Decoder(str)
_REFERENCE = msgspec.json.Decoder(dict[str, str])
_ACCESS = msgspec.json.Decoder(dict[str, str | int])
_ENCODER = msgspec.json.Encoder()


class _Unusual(Exception):
    """Something that is not for this way."""


_NOT_FOR_US = (_Unusual, RequestError, KeyError, msgspec.MsgspecError, RecursionError)


class Passed(NamedTuple):
    """A call that was passed over: its hook, `context.userId`, and its extension, undecoded."""

    hook: str
    user: str | None
    extension: Raw | None


class HarmlessCalls:
    """The orders of one content that were harmless so far."""

    def __init__(self) -> None:
        self._digest_of = blake2b(key=secrets.token_bytes(16), digest_size=16).copy
        self._known: set[bytes] = set()

    def passes_over(self, body: bytes, most: int) -> Passed | None:
        """Who calls where nothing of the call has to be looked at, whatever service about orders it
        is for; else None. `most` is how many draft orders it may have."""
        try:
            call = _usual(body)
            digests = self._digests(call.context)
        except _NOT_FOR_US:
            return None
        if not (0 < len(digests) <= most and self._known.issuperset(digests)):
            return None
        extension = call.extension if call.extension is not _NOTHING else None
        return Passed(call.hook, call.context.userId or None, extension)

    def learn(self, body: bytes, orders: int) -> None:
        """Remember the draft orders of a call that was read in full; `orders` is how many there
        are, where each is harmless by itself for any patient, and else 0."""
        if not orders:
            return
        try:
            digests = self._digests(_usual(body).context)
        except _NOT_FOR_US:
            return
        if len(digests) == orders:
            if len(self._known) + orders > MOST:
                self._known.clear()
            self._known.update(digests)

    def _digests(self, context: _CallContext) -> list[bytes]:
        """One for each draft order. Raises _NOT_FOR_US."""
        patient = _OwnReference(context.patientId)
        return [self._digest(entry.resource, patient) for entry in context.draftOrders.entry]

    def _digest(self, order: dict[str, Raw], patient: _OwnReference) -> bytes:
        """Of all that an order says beyond who, where and when, which is taken out of it. Raises
        _NOT_FOR_US.

        A Bundle among the orders may hold several. Then as many as the entries can be read while
        one of the entries was passed by, as the repeat of another order: it was never judged.
        """
        if _TEXT_OF.decode(order["resourceType"]) == "Bundle":
            raise _Unusual
        for name, is_usual in _BESIDE:
            _expect(is_usual, order.pop(name, None))
        whose = [value for name in _WHOSE if (value := order.pop(name, None)) is not None]
        if not whose:
            raise _Unusual
        for reference in whose:
            patient.check(reference)
        if "identifier" in order and _IS_IDENTIFIERS(order["identifier"]):
            order["identifier"] = _BLANK
        digest = self._digest_of()
        digest.update(_DATES.sub(b'"?"', _ENCODER.encode(order)))
        return digest.digest()


class _OwnReference:
    """Tells whether a reference is to the patient of the call."""

    def __init__(self, patient_id: str) -> None:
        self._patient_id = patient_id
        self._plain = b'{"reference":"Patient/%b"}' % patient_id.encode()

    def check(self, value: Raw) -> None:
        """Raise _Unusual where it is not, or is no reference."""
        if bytes(value) == self._plain:  # nearly always; a Raw equals no bytes
            return
        subjects = Subjects(self._patient_id)
        if (
            _IS_REFERENCE(value) is None
            or subjects.whose(_REFERENCE.decode(value)["reference"]) is not Whose.OWN
        ):
            raise _Unusual


def _usual(body: bytes) -> _Call:
    """A call in which nothing is odd that is looked at, or could be refused. Raises _NOT_FOR_US."""
    call = _CALL.decode(body)
    context, prefetch = call.context, call.prefetch
    # No text can be shorter than this one with the same members.
    if len(_ENCODER.encode(call)) != len(body):
        _refuse_twice(body)
    for text in (call.hook, call.hookInstance, context.userId, context.encounterId):
        if text is not UNSET and _IS_SHORT(text) is None:
            raise _Unusual
    if _IS_ID(context.patientId) is None or context.draftOrders.resourceType != "Bundle":
        raise _Unusual
    if prefetch is not UNSET and len(prefetch) > MAX_MEMBERS:
        raise _Unusual
    if call.fhirAuthorization is not _NOTHING:
        _ACCESS.decode(call.fhirAuthorization)
    return call


def _refuse_twice(body: bytes) -> None:
    """Raise where a member stands twice: blanks or escapes can make the text longer, too."""
    call = members(body, "body")
    context = members(bytes(call["context"]), "context")
    if "prefetch" in call:
        members(bytes(call["prefetch"]), "prefetch")
    for entry in _RAWS.decode(members(bytes(context["draftOrders"]), "draftOrders")["entry"]):
        members(bytes(members(bytes(entry), "entry")["resource"]), "resource")


def _expect(is_usual: _Test, value: Raw | None) -> None:
    """Raise where there is a value, and it is not so."""
    if value is not None and is_usual(value) is None:
        raise _Unusual
