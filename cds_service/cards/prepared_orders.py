"""Draft orders as bytes with slots, made of the plain way: a call fills in what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Raw

from cds_service.cards.suggested_orders import (
    RELEASES,
    DraftContext,
    Resource,
    courses,
    reason_of,
    service_request,
)
from cds_service.cdshooks.models import Action, encode

if TYPE_CHECKING:
    from cds_service.knowledge.model import Knowledge

_SLOT: Final = "slot:"
"""How a text begins that stands in a draft of the plain way where a slot will be."""

_MARK: Final = re.compile(b'"slot:(subject|encounter|requester|reason|site|note)"')
_Shape = tuple[str, bool, bool, bool]
_Templates = Mapping[tuple[str, int], bytes]
"""By id and days, which a referral has none of (0). A template is JSON for `%` with a mapping; a
slot in it is a whole string, quotes included."""


class Slots(NamedTuple):
    """What a request says, each as JSON, for all drafts of a card.

    `shape` is what a template depends on beside the content: the release, and whether there are an
    encounter, a requester and a site.
    """

    shape: _Shape
    values: dict[bytes, bytes]


def slots_of(
    subject: str,
    reason: str,
    encounter: str | None = None,
    requester: str | None = None,
    site: str | None = None,
    release: str = "R4",
) -> Slots:
    """See `DraftContext`. Raises ValueError for a blank reason."""
    shape = (release, encounter is not None, requester is not None, site is not None)
    values = {b"subject": encode(subject), b"reason": encode(reason_of(reason))}
    if encounter is not None:
        values[b"encounter"] = encode(encounter)
    if requester is not None:
        values[b"requester"] = encode(requester)
    if site is not None:
        values[b"site"] = encode(site)
    return Slots(shape, values)


class PreparedOrders:
    """Every draft of one knowledge (`knowledge.once(PreparedOrders)`): those with all slots are
    made at once, others when a request first leaves out what they name.

    Raises ValueError for content of which no action of a card could be made.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._notes = {
            id_: (r.note, encode(r.note.strip())) for id_, r in knowledge.referrals.items()
        }
        self._made: dict[_Shape, _Templates] = {}
        for release in RELEASES:
            self._of((release, True, True, True))

    def medicine(self, id_: str, days: int, slots: Slots) -> Raw:
        """The draft of a regimen, or of what protects the stomach, for so many days."""
        return Raw(self._of(slots.shape)[id_, days] % slots.values)

    def referral(self, id_: str, slots: Slots, lead: str = "") -> Raw:
        """The draft of a referral; `lead` stands before its note."""
        text, note = self._notes[id_]
        if lead:
            note = encode(f"{lead} {text}".strip())
        return Raw(self._of(slots.shape)[id_, 0] % {**slots.values, b"note": note})

    def _of(self, shape: _Shape) -> _Templates:
        made = self._made.get(shape)
        if made is None:
            made = self._made[shape] = _templates(self._knowledge, _context(*shape))
        return made


def _context(
    release: str, has_encounter: bool, has_requester: bool, has_site: bool
) -> DraftContext:
    return DraftContext(
        f"{_SLOT}subject",
        f"{_SLOT}reason",
        f"{_SLOT}encounter" if has_encounter else None,
        f"{_SLOT}requester" if has_requester else None,
        f"{_SLOT}site" if has_site else None,
        release,
    )


def _templates(knowledge: Knowledge, context: DraftContext) -> _Templates:
    made = {of: _template(one.draft(context)) for of, one in knowledge.once(courses).items()}
    for referral in knowledge.referrals.values():
        open_ = referral.model_copy(update={"note": f"{_SLOT}note"})
        made[referral.id, 0] = _template(service_request(open_, knowledge, context))
    return made


def _template(draft: Resource) -> bytes:
    Action.model_validate({"type": "create", "description": "A draft", "resource": draft})
    return _MARK.sub(rb"%(\1)b", encode(draft).replace(b"%", b"%%"))
