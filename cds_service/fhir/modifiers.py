"""Facts that carry a modifier which is not known here: questions, as FHIR asks of a reader.

A `modifierExtension` may turn the meaning of all that it stands in. None is known to this service.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cds_service.clinical.chart import (
    AllergyFact,
    ConditionFact,
    FamilyFact,
    InputState,
    MeasurementFact,
    MedicationFact,
    Mention,
    ProcedureFact,
    Provenance,
    SetAside,
    Unidentified,
)
from cds_service.fhir.context import Item, ReadContext
from cds_service.fhir.elements import Doc, objects
from cds_service.fhir.mentions import CODED_AS
from cds_service.fhir.signal import Signal
from cds_service.knowledge.names import (
    ACVR1_ASKED,
    ACVR1_GERMLINE,
    HO,
    MODIFIED,
    MODIFIER_NOTE,
    PALOVAROTENE,
    InputName,
    SignalName,
)

if TYPE_CHECKING:
    from cds_service.fhir.inputs import InputLog

MEMBER: Final = "modifierExtension"
IN_JSON: Final = MEMBER.encode()
WHY: Final = "a modifier that may change its meaning"
_PARTIAL: Final = Signal(InputState.PARTIAL, f"an entry carries {WHY}", SignalName.MODIFIED_FACT)
_DOSES: Final = ("dosageInstruction", "dosage")


def is_modified(doc: Doc) -> bool:
    """Whether an order, or a dosage of it, carries a modifier."""
    if MEMBER in doc:
        return True
    return any(MEMBER in dose for name in _DOSES if name in doc for dose in objects(doc[name]))


def with_note(label: str) -> str:
    """The name of what carries a modifier."""
    return f"{label}{MODIFIER_NOTE}"


def as_questions(items: Iterable[Item], look: ReadContext, log: InputLog | None) -> Iterator[Item]:
    """What was read of a resource that carries a modifier: no fact, and never silence. A list whose
    facts may raise a tier was then read only in part."""
    for item in items:
        if not isinstance(item, ConditionFact | ProcedureFact | MedicationFact | AllergyFact):
            yield _asked(item)
            continue
        yield SetAside(item.concepts, item.source, WHY)
        source = replace(item.source, label=with_note(item.source.label))
        if isinstance(item, ConditionFact | ProcedureFact):
            named = {d for d, codes in CODED_AS.items() if not codes.isdisjoint(item.concepts)}
            if log is not None and named <= {HO}:  # genetic HO is asked about by its name
                log.tell(_PARTIAL)
            yield from (Mention(disease, source) for disease in sorted(named))
        if isinstance(item, ConditionFact):
            yield _unclear(InputName.CONDITIONS, source, look.mentions.drugs.options("medications"))
        elif isinstance(item, AllergyFact):
            yield _unclear(InputName.ALLERGIES, source, look.mentions.drugs.options("allergies"))
        elif isinstance(item, MedicationFact) and item.state != "ended":
            against = look.mentions.drugs.options("medications")
            yield _unclear(InputName.MEDICATIONS, source, against)
            if PALOVAROTENE in item.concepts:
                yield Mention("fop", source)


def _asked(item: Item) -> Item:
    """A result is told and never used; a relative's disease is a question anyway, and says so."""
    if isinstance(item, MeasurementFact):
        if ACVR1_GERMLINE in item.concepts:
            return replace(item, concepts=item.concepts - {ACVR1_GERMLINE} | {ACVR1_ASKED})
        return replace(item, pending=f"with {WHY}")
    if isinstance(item, FamilyFact):
        return replace(item, source=replace(item.source, label=with_note(item.source.label)))
    return item


def _unclear(name: InputName, source: Provenance, against: frozenset[str]) -> Unidentified:
    telling = name is InputName.ALLERGIES
    return Unidentified(name, source, telling, named=(MODIFIED,), against=against)
