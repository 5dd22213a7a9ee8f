"""A patient over the years: what was planted when, and what each order must have met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from cds_service.tools.synthetic.catalogue import Piece, catalogue
from cds_service.tools.synthetic.population.wish import PopulationWish
from cds_service.tools.synthetic.resources import Maker, Resource
from cds_service.tools.synthetic.truth import Expected, Truth, tier_of_pieces, truth

# The element that says when a fact came into the record; the first that is there counts.
_RECORDED: Final[Mapping[str, tuple[str, ...]]] = {
    "AllergyIntolerance": ("recordedDate",),
    "Condition": ("recordedDate", "onsetDateTime"),
    "FamilyMemberHistory": ("date",),
    "MedicationRequest": ("authoredOn",),
    "Observation": ("effectiveDateTime",),
    "Procedure": ("performedDateTime",),
    "ServiceRequest": ("authoredOn",),
}
TYPE_OF_PART: Final = {
    "condition": "Condition", "procedure": "Procedure", "medication": "MedicationRequest",
    "allergy": "AllergyIntolerance", "observation": "Observation",
    "family": "FamilyMemberHistory", "planned": "ServiceRequest",
}  # fmt: skip
HO_RULES: Final = frozenset({"previous-ho-hip", "previous-ho-site-not-stated", "ho-elsewhere",
                             "ho-site-not-recognised"})  # fmt: skip
_BLIND: Final = "conditions-missing"


def recorded_on(resource: Resource) -> str | None:
    """The day (or month, or year) on which a fact was recorded; None for an undated one."""
    dates = (resource.get(name) for name in _RECORDED.get(resource["resourceType"], ()))
    return next((str(value)[:10] for value in dates if value), None)


@dataclass(frozen=True, slots=True)
class PlantedEvent:
    """Orders of one day, or one operation, and what had to come of it.

    `expected` counts undated facts, `dated` does without. `offers` says whether what is offered
    is certain too. `understood` is False for an order in a code of the house.
    """

    kind: str
    day: date
    resources: tuple[str, ...]
    trigger: str
    pieces: tuple[str, ...]
    expected: Truth
    dated: Truth
    tier: str
    surgeon: str
    offers: bool
    understood: bool = True


@dataclass(slots=True)
class History:
    """Resources, facts and events of one patient.

    `facts` are pieces with their day or None, `ho_coded` the days on which HO was coded after an
    operation, `operations` the procedures that carry out an order, by its reference.
    """

    maker: Maker
    person: Resource
    wish: PopulationWish
    surgeon: str
    resources: list[Resource] = field(default_factory=list)
    facts: list[tuple[Piece, date | None]] = field(default_factory=list)
    events: list[PlantedEvent] = field(default_factory=list)
    ho_coded: list[date] = field(default_factory=list)
    operations: dict[str, list[str]] = field(default_factory=dict)

    # --- facts ---

    def add(self, resource: Resource) -> Resource:
        """Take a resource into the record."""
        if resource["resourceType"] == "FamilyMemberHistory":
            resource["date"] = (self.maker.today - timedelta(days=400)).isoformat()
        self.resources.append(resource)
        return resource

    def plant(self, piece: Piece, side: str | None = None) -> list[Resource]:
        """Put a piece into the record as of `maker.today`; returns what was written that day."""
        signed = []
        days = []
        for part in piece.parts:
            resource, key = self.maker.part(part, side)
            self.add(resource)
            if key == "draft":
                signed.append(resource)
            elif day := recorded_on(resource):
                days.append(date.fromisoformat(day))
        if self._is_kept(piece):
            self.facts.append((piece, max(days, default=self.maker.today)))
        return signed

    def plant_undated(self, piece: Piece) -> None:
        """Put a piece into the record without any date."""
        for part in piece.parts:
            resource = self.add(self.maker.part(part, None)[0])
            for name in _RECORDED[resource["resourceType"]]:
                resource.pop(name, None)
        if self._is_kept(piece):
            self.facts.append((piece, None))

    def plant_told_late(self, piece: Piece, day: date) -> None:
        """A fact that began before, and was recorded on `day` only."""
        for part in piece.parts:
            resource = self.add(self.maker.part(part, None)[0])
            resource["recordedDate"] = day.isoformat()
        self.note(piece, day)

    def note(self, piece: Piece, day: date) -> None:
        """A fact of this day that is in the record; HO is noted as such."""
        if self._is_kept(piece):
            self.facts.append((piece, day))
            if piece.rule in HO_RULES:
                self.ho_coded.append(day)

    def _is_kept(self, piece: Piece) -> bool:
        """Whether the export holds what the piece is made of."""
        kinds = {TYPE_OF_PART[kind] for part in piece.parts for kind in TYPE_OF_PART.keys() & part}
        return kinds.isdisjoint(self.wish.lacking)

    # --- events ---

    def event(
        self, kind: str, day: date, resources: Sequence[Resource], trigger: Piece, *,
        offers: bool = False,
    ) -> None:  # fmt: skip
        """Note what must come of these orders, by the pieces that were on record that day."""
        if resources[0]["resourceType"] in self.wish.lacking:
            return
        known = [piece for piece, written in self.facts if written is not None and written <= day]
        undated = [piece for piece, written in self.facts if written is None]
        blind = _withheld() if "Condition" in self.wish.lacking else []
        whole = [*known, *undated]
        self.events.append(PlantedEvent(
            kind, day, tuple(_name(r) for r in resources), trigger.id,
            tuple(piece.id for piece in whole), truth(trigger, [*whole, *blind]),
            truth(trigger, [*known, *blind]), tier_of_pieces([trigger, *whole]), self.surgeon,
            offers,
        ))  # fmt: skip

    def told(
        self, kind: str, day: date, resources: Sequence[Resource], expected: Truth,
        *, tier_told: str = "none", trigger: str = "local", understood: bool = True,
    ) -> None:  # fmt: skip
        """Note an event whose answer the pieces do not say."""
        if resources[0]["resourceType"] in self.wish.lacking:
            return
        if "Condition" in self.wish.lacking:
            expected = Truth(412)  # the problem list is not there
        self.events.append(PlantedEvent(
            kind, day, tuple(_name(r) for r in resources), trigger, (), expected, expected,
            tier_told, self.surgeon, False, understood,
        ))  # fmt: skip

    # --- what must be found ---

    def truth_lines(self) -> Iterator[dict[str, Any]]:
        """One line for each event."""
        kept = [r for r in self.resources if r["resourceType"] not in self.wish.lacking]
        dated = [r for r in kept if r["resourceType"] in _RECORDED]
        undated = Counter(r["resourceType"] for r in dated if recorded_on(r) is None)
        for event in self.events:
            day = event.day.isoformat()
            own = {name for order in event.resources for name in self.operations.get(order, ())}
            late = Counter(
                r["resourceType"]
                for r in dated
                if (written := recorded_on(r)) and written > day and _name(r) not in own
            )
            yield {
                "patient": self.maker.patient_id,
                "events": list(event.resources),
                "kind": event.kind,
                "day": day,
                "surgeon": event.surgeon,
                "trigger": event.trigger,
                "pieces": list(event.pieces),
                "understood": event.understood,
                "tier": event.tier,
                **_answer(event.expected, event.offers),
                "dated": _answer(event.dated, False),
                "late": dict(sorted(late.items())),
                "undated": dict(sorted(undated.items())),
                "hoCodedLater": any(coded > event.day for coded in self.ho_coded),
            }  # fmt: skip


def _name(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _withheld() -> list[Piece]:
    return [piece for piece in catalogue().sections["withheld"] if piece.id == _BLIND]


def _answer(found: Truth, offers: bool) -> dict[str, Any]:
    return {
        "status": found.status,
        "cards": [_card(card, offers) for card in found.cards],
        "silentRow": found.silent_row,
    }


def _card(card: Expected, offers: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"row": card.row, "card": card.card, "tier": card.tier}
    return told | {"offered": list(card.offered)} if offers else told
