"""Reads the body of a feedback call: strict about JSON, tolerant about what real clients send.

What is kept of an item cannot hold patient data: uuids, codes that our own cards offered, a time,
and the length of the comment. Any other id or code becomes a marker: a record number would fit
wherever a token does. What is left out or taken for granted is noted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Raw

from cds_service.cdshooks import request
from cds_service.errors import BadRequest, TooLarge

MAX_ITEMS = 1_000
"""Items in one call; more are refused with 413."""

NOTES_SHOWN = 20
"""Notes in one answer; the client that needs more of them has made its point."""

MAX_SUGGESTIONS = 50
"""Accepted suggestions kept of one item; no card has as many."""

NOT_OURS = "not-ours"
"""Stands for the id of a card or suggestion, or for a reason's code, that this service never
sent."""

EPIC_REASON = "com.epic.cdshooks.feedback.overrideReason.reasonCategory"
"""Extension in which Epic sends the number of a category of reasons; kept as a `system`."""

Offered = Collection[tuple[str, str]]
"""System and code of every override reason that cards of this service offer."""

_OUTCOMES: Mapping[str, str] = {
    "accepted": "accepted",
    "overridden": "overridden",
    "ignored": "ignored",  # cds-hooks/docs#21: seen and not answered
    "dismissed": "dismissed",
    "dismiss": "dismissed",  # cds-hooks/docs#48
}
"""What clients send as outcome, and what is kept. The specification has the first two."""

_OUTCOME_RULE = "must be accepted, overridden, ignored or dismissed"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# Second 60 is a leap second (RFC 3339 section 5.7), which Python does not have: one less is kept.
_LEAP_SECOND = re.compile(r"(T\d\d:\d\d):60(?=[.,Z+-]|$)")
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=1)  # how far the clock of a client may be ahead of ours


@dataclass(frozen=True, slots=True)
class FeedbackItem:
    """What a clinician did with one card (CDS Hooks 2.0 "Feedback").

    `key` is equal for the same item sent again. `card` and `suggestions` are uuids, or NOT_OURS;
    so is `reason_code`, where it is none that was offered. Of a comment only its length in
    characters is known. `outcome_at` is when it happened, by the client's clock or, failing that,
    `received_at`.
    """

    key: str
    card: str
    outcome: str
    service: str
    client: str
    outcome_at: datetime
    received_at: datetime
    suggestions: tuple[str, ...] = ()
    reason_system: str | None = None
    reason_code: str | None = None
    comment_length: int | None = None
    notes: tuple[str, ...] = ()
    mode: str = "live"  # of its client, at receipt


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """An item that cannot be taken: its place in the body, and what is wrong."""

    place: str
    problem: str


@dataclass(frozen=True, slots=True)
class FeedbackRead:
    """What came of each item of a call. `notes` say what was unusual about items that were taken,
    each with its place, NOTES_SHOWN at most."""

    items: tuple[FeedbackItem, ...]
    refused: tuple[RefusedItem, ...] = ()
    notes: tuple[str, ...] = ()

    def as_answer(self) -> dict[str, Any]:
        """What the client is told: `feedback` is the number of items that were taken."""
        refused = [asdict(item) for item in self.refused]
        told = {"refused": refused, "notes": list(self.notes)}
        return {"feedback": len(self.items)} | {name: said for name, said in told.items() if said}


class Note(StrEnum):
    """What was unusual about an item and tolerated."""

    SINGLE = "single-object"
    PLURAL = "override-reasons-plural"
    FLAT = "override-reason-flat"
    CARD_NOT_OURS = "card-not-ours"
    NO_SUGGESTIONS = "no-accepted-suggestions"
    ODD_SUGGESTIONS = "odd-accepted-suggestions"
    REASON_NOT_OURS = "reason-not-ours"
    REASON_NOT_KEPT = "reason-not-kept"
    NO_TIME = "no-timestamp"
    ODD_TIME = "odd-timestamp"
    NO_OFFSET = "timestamp-without-offset"


WORDS = {
    Note.SINGLE: "feedback should be an array",
    Note.PLURAL: "overrideReasons was read as overrideReason",
    Note.FLAT: "overrideReason has code and system of its own: they belong into reason",
    Note.CARD_NOT_OURS: "card is no uuid of this service: it is not kept",
    Note.NO_SUGGESTIONS: "acceptedSuggestions is missing",
    Note.ODD_SUGGESTIONS: "acceptedSuggestions should be an array of objects with id",
    Note.REASON_NOT_OURS: "overrideReason is none that the card offered: its code is not kept",
    Note.REASON_NOT_KEPT: "overrideReason.reason is no coding: not kept",
    Note.NO_TIME: "outcomeTimestamp is missing: the time of receipt is kept",
    Note.ODD_TIME: "outcomeTimestamp cannot be used: the time of receipt is kept",
    Note.NO_OFFSET: "outcomeTimestamp has no offset: taken as UTC",
}
"""The notes as sentences for whoever connects an EHR; no values of the request."""


def read(body: bytes, service: str, client: str, now: datetime, offered: Offered) -> FeedbackRead:
    """Read all items of a call from UTF-8 JSON (CDS Hooks 2.0 "Feedback").

    `now` is the time of receipt, `offered` are the reasons whose codes are kept. An item without
    card or outcome is refused, and the others are taken. Raises BadRequest with the place when the
    body is not JSON, or when every item is refused, and TooLarge for more than MAX_ITEMS.
    """
    raws, alone = _items(body)
    if len(raws) > MAX_ITEMS:
        raise TooLarge(f"more than {MAX_ITEMS} items", "feedback")
    items: list[FeedbackItem] = []
    refusals: list[BadRequest] = []
    notes: list[str] = []
    for index, raw in enumerate(raws):
        place = f"feedback[{index}]"
        try:
            members = _plain(raw, place)
            item = _item(members, place, service, client, now, offered, alone)
        except BadRequest as error:
            refusals.append(error)
            continue
        items.append(item)
        notes += (f"{place}: {WORDS[Note(note)]}" for note in item.notes)
    if refusals and not items:
        raise refusals[0]
    refused = tuple(RefusedItem(error.place or "feedback", error.message) for error in refusals)
    return FeedbackRead(tuple(items), refused, tuple(notes[:NOTES_SHOWN]))


def _items(body: bytes) -> tuple[list[Raw], bool]:
    """The undecoded items, and whether one came alone instead of in an array."""
    members = request.members(body, "body")
    raw = members.get("feedback")
    if raw is None and "card" in members:
        return [Raw(body)], True
    if raw is None or bytes(raw) == b"null":
        raise BadRequest("is required: an array", "feedback")
    if bytes(raw).startswith(b"{"):
        return [raw], True
    try:
        return msgspec.json.decode(raw, type=list[Raw]), False
    except msgspec.ValidationError:
        raise BadRequest("must be an array", "feedback") from None
    except (msgspec.DecodeError, RecursionError):
        raise BadRequest("cannot be read as JSON", "feedback") from None


def _plain(raw: Raw, place: str) -> dict[str, Any]:
    """The members of an item, decoded. Raises BadRequest."""
    members = request.members(bytes(raw), place)
    try:
        return {name: msgspec.json.decode(value) for name, value in members.items()}
    except (msgspec.DecodeError, RecursionError):
        raise BadRequest("cannot be read as JSON", place) from None


def _item(
    members: Mapping[str, Any],
    place: str,
    service: str,
    client: str,
    now: datetime,
    offered: Offered,
    alone: bool,
) -> FeedbackItem:
    notes: list[Note] = [Note.SINGLE] if alone else []
    card = _card(members.get("card"), f"{place}.card", notes)
    outcome = _outcome(members.get("outcome"), f"{place}.outcome")
    suggestions = _suggestions(members.get("acceptedSuggestions"), outcome, notes)
    system, code, comment = _override(members, offered, notes)
    happened = _time(members.get("outcomeTimestamp"), now, notes)
    same = [service, client, card, outcome, sorted(suggestions), system, code, happened]
    return FeedbackItem(
        key=hashlib.sha256(msgspec.json.encode(same)).hexdigest(),
        card=card,
        outcome=outcome,
        service=service,
        client=client,
        outcome_at=happened or now,
        received_at=now,
        suggestions=suggestions,
        reason_system=system,
        reason_code=code,
        comment_length=comment,
        notes=tuple(notes),
    )


def _card(value: Any, place: str, notes: list[Note]) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        raise BadRequest("is required", place)
    if not isinstance(value, str) or not value.strip():
        raise BadRequest("must be the uuid of a card", place)
    kept = _id(value)
    if kept == NOT_OURS:
        notes.append(Note.CARD_NOT_OURS)
    return kept


def _outcome(value: Any, place: str) -> str:
    if value is None:
        raise BadRequest("is required", place)
    if not isinstance(value, str) or value not in _OUTCOMES:
        raise BadRequest(_OUTCOME_RULE, place)
    return _OUTCOMES[value]


def _id(text: str) -> str:
    """A UUID such as our cards have, in lower case; NOT_OURS for anything else."""
    plain = text.strip().removeprefix("urn:uuid:").lower()
    return plain if _UUID.fullmatch(plain) else NOT_OURS


def _suggestions(value: Any, outcome: str, notes: list[Note]) -> tuple[str, ...]:
    """Ids of accepted suggestions, each once, in their order."""
    if not value:
        if outcome == "accepted":
            notes.append(Note.NO_SUGGESTIONS)
        return ()
    entries = value if isinstance(value, list) else [value]
    ids = [entry.get("id") if isinstance(entry, dict) else None for entry in entries]
    usable = [_id(id_) for id_ in ids if isinstance(id_, str) and id_.strip()]
    if len(usable) != len(entries) or entries is not value or len(usable) > MAX_SUGGESTIONS:
        notes.append(Note.ODD_SUGGESTIONS)
    return tuple(dict.fromkeys(usable[:MAX_SUGGESTIONS]))


# --- override reason ---


def _override(
    members: Mapping[str, Any], offered: Offered, notes: list[Note]
) -> tuple[str | None, str | None, int | None]:
    """System and code of the reason, and the length of the comment."""
    said = members.get("overrideReason")
    if not said and members.get("overrideReasons"):
        notes.append(Note.PLURAL)
        said = members["overrideReasons"]
    if isinstance(said, list) and said:
        said = said[0]
    if not isinstance(said, dict):
        if said:
            notes.append(Note.REASON_NOT_KEPT)
        return None, None, None
    comment = said.get("userComment")
    length = len(comment) if isinstance(comment, str) and comment else None
    system, code = _reason(said, offered, notes)
    if code is None and said.keys() - {"userComment"}:
        notes.append(Note.REASON_NOT_KEPT)
    return system, code, length


def _reason(
    said: Mapping[str, Any], offered: Offered, notes: list[Note]
) -> tuple[str | None, str | None]:
    """The first coded reason, as far as it is one that was offered."""
    reason, extension = said.get("reason"), said.get("extension")
    if isinstance(reason, dict) and (code := _code(reason.get("code"))) is not None:
        return _ours(reason.get("system"), code, offered, notes)
    if isinstance(extension, dict) and _code(extension.get(EPIC_REASON)) is not None:
        notes.append(Note.REASON_NOT_OURS)
        return EPIC_REASON, NOT_OURS
    if (code := _code(said.get("code"))) is not None:
        notes.append(Note.FLAT)
        return _ours(said.get("system"), code, offered, notes)
    return None, None


def _ours(system: Any, code: str, offered: Offered, notes: list[Note]) -> tuple[str | None, str]:
    """The offered reason that is meant: some clients leave its system out (cds-hooks/sandbox#135).

    Else a marker: what else may stand there is decided by the client alone.
    """
    named = system.strip() if isinstance(system, str) else None
    found = {pair for pair in offered if pair[1] == code and named in {None, "", pair[0]}}
    if len(found) == 1:
        return found.pop()
    notes.append(Note.REASON_NOT_OURS)
    return None, NOT_OURS


def _code(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value.strip() or None if isinstance(value, str) else None


# --- time ---


def _time(value: Any, now: datetime, notes: list[Note]) -> datetime | None:
    """The time of the outcome in UTC (RFC 3339), None where there is none to be used."""
    if value is None or value == "":
        notes.append(Note.NO_TIME)
        return None
    try:
        text = str.strip(value).upper()  # RFC 3339 section 5.6 allows t and z
        said = datetime.fromisoformat(_LEAP_SECOND.sub(r"\1:59", text))
        if said.tzinfo is None:
            notes.append(Note.NO_OFFSET)
            said = said.replace(tzinfo=UTC)
        said = said.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        notes.append(Note.ODD_TIME)
        return None
    if not _EARLIEST <= said <= now + _AHEAD:
        notes.append(Note.ODD_TIME)
        return None
    return said
