"""Decodes JSON in two steps: a glance at the few members that tell whether a resource matters,
and the whole resource only when it does."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

T = TypeVar("T")
NOTHING = Raw()

# Strict types on purpose: a resource that does not fit takes the slow and lenient way.


class GlancedCoding(Struct, gc=False, frozen=True):
    """FHIR Coding."""

    system: str | None = None
    code: str | None = None
    display: str | None = None


class GlancedExtension(Struct, gc=False, frozen=True):
    """FHIR Extension, as far as it may say why there is no value."""

    url: str | None = None


class Concept(Struct, gc=False, frozen=True):
    """CodeableConcept, or CodeableReference (R5) with its concept inside; can be looked up in a
    set as a whole."""

    coding: tuple[GlancedCoding, ...] | None = None
    text: str | None = None
    concept: Concept | None = None
    code: str | None = None  # a Coding where the concept should be
    display: str | None = None  # likewise, or a Reference
    extension: tuple[GlancedExtension, ...] | None = None


class Ref(Struct, gc=False):
    """FHIR Reference."""

    reference: str | None = None


class GlancedNote(Struct, gc=False):
    """FHIR Annotation."""

    text: str | None = None


class Component(Struct, gc=False):
    """Observation.component."""

    code: Concept | None = None
    valueCodeableConcept: Concept | None = None
    valueString: str | None = None


class GlancedQuantity(Struct, gc=False):
    """Observation.valueQuantity, as far as its unit tells what was measured."""

    unit: str | None = None
    code: str | None = None


class GlancedMeta(Struct, gc=False):
    """Resource.meta, as far as labels may say that something was taken out."""

    security: tuple[GlancedCoding, ...] | None = None
    tag: tuple[GlancedCoding, ...] | None = None


class Glance(Struct, gc=False):
    """The members of a resource that decide whether it is read in full. What says what it is stays
    undecoded: of most codes it is known what they say."""

    resourceType: str | None = None
    status: str | None = None
    subject: Ref | None = None
    patient: Ref | None = None
    code: Raw = NOTHING
    medicationCodeableConcept: Raw = NOTHING
    medicationReference: Ref | None = None
    note: list[GlancedNote] | None = None
    notes: str | None = None  # DSTU2
    component: tuple[Component, ...] | None = None
    valueCodeableConcept: Concept | None = None
    valueString: str | None = None
    valueQuantity: GlancedQuantity | None = None
    reasonCode: tuple[Concept, ...] | None = None
    reason: tuple[Concept, ...] | None = None  # R5
    reasonReference: Raw = NOTHING
    reasonCodeableConcept: Raw = NOTHING  # this and the next five: DSTU2, STU3
    indication: Raw = NOTHING
    reasonGiven: Raw = NOTHING
    reasonForUse: Raw = NOTHING
    reasonForUseCodeableConcept: Raw = NOTHING
    reasonForUseReference: Raw = NOTHING
    contained: Raw = NOTHING
    extension: Raw = NOTHING
    meta: GlancedMeta | None = None


class Entry(Struct, gc=False):
    """Bundle.entry with its resource undecoded."""

    resource: Raw
    fullUrl: str | None = None
    extension: Raw = NOTHING
    response: Raw = NOTHING


class Bundle(Struct, gc=False):
    """What nearly every prefetch value is: a Bundle whose entries all have a resource, or a single
    resource."""

    resourceType: str
    entry: list[Entry] | None = None
    link: Raw = NOTHING
    total: int | None = None
    meta: Raw = NOTHING
    issues: Raw = NOTHING  # R5: an OperationOutcome about the whole


class GlancedEntry(Struct, gc=False):
    """Bundle.entry with a glance at its resource."""

    resource: Glance
    fullUrl: str | None = None
    extension: Raw = NOTHING
    response: Raw = NOTHING


class GlancedBundle(Struct, gc=False):
    """The same as `Bundle`, and in the same pass a glance at all that it holds."""

    resourceType: str
    entry: list[GlancedEntry] | None = None
    link: Raw = NOTHING
    total: int | None = None
    meta: Raw = NOTHING
    issues: Raw = NOTHING


class Envelope(Struct, gc=False):
    """A JSON object of which nothing is believed: a Bundle, a Bundle entry, a resource, or the
    wrapper `{response, resource}` of CDS Hooks before 1.0. Missing members are empty."""

    resourceType: Raw = NOTHING
    entry: Raw = NOTHING
    link: Raw = NOTHING
    total: Raw = NOTHING
    meta: Raw = NOTHING
    issues: Raw = NOTHING
    resource: Raw = NOTHING
    response: Raw = NOTHING
    extension: Raw = NOTHING
    fullUrl: Raw = NOTHING


GLANCE = msgspec.json.Decoder(Glance)
CONCEPT = msgspec.json.Decoder(Concept | None)
BUNDLE = msgspec.json.Decoder(Bundle)
GLANCED_BUNDLE = msgspec.json.Decoder(GlancedBundle)
ENTRIES = msgspec.json.Decoder(list[Entry])
ENVELOPE = msgspec.json.Decoder(Envelope)
RAWS = msgspec.json.Decoder(list[Raw])

# Everything that decoding can raise: wrong JSON, wrong types, half surrogates, no UTF-8, depth.
UNFIT = (msgspec.MsgspecError, ValueError, RecursionError)


Glances = Sequence[Entry | GlancedEntry]


def glance_of(entry: Entry) -> Glance | None:
    """A glance at the resource of an entry; None where that is not as usual."""
    try:
        return GLANCE.decode(entry.resource)
    except UNFIT:
        return None


class Unreadable(ValueError):
    """JSON that cannot be decoded by any means; the message says why and holds no value of it."""


def decode(raw: bytes | Raw) -> Any:
    """Decode JSON into plain Python values. Raises Unreadable.

    What msgspec refuses (half a surrogate pair, numbers beyond all bounds) gets a second chance
    with the standard library, so that one odd string does not cost a whole resource.
    """
    try:
        return msgspec.json.decode(raw)
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    except (msgspec.MsgspecError, ValueError):
        return _decode_odd(raw, lambda value: value)


def repair(raw: bytes | Raw) -> bytes:
    """The same JSON without what msgspec refuses. Raises Unreadable."""
    return _decode_odd(raw, _encode)


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _decode_odd(raw: bytes | Raw, then: Callable[[Any], T]) -> T:
    try:
        value = json.loads(
            bytes(raw), parse_int=_whole, parse_float=_real, parse_constant=lambda _: None
        )
        return then(value)
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    except ValueError:
        raise Unreadable("not JSON") from None


def _whole(digits: str) -> int | float | None:
    return int(digits) if len(digits) < 20 else _real(digits)


def _real(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def first_byte(raw: bytes | Raw) -> bytes:
    """The byte that tells the type of a JSON value: { [ " n t f or a digit; b"" for nothing."""
    return bytes(memoryview(raw)[:64]).lstrip()[:1] or bytes(raw).lstrip()[:1]
