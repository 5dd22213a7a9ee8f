"""Keeps account of every input: read, empty, absent, failed or partial."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.clinical.chart import InputName, InputReport, InputState

# Which input a resource type belongs to, whatever key it came under. DSTU2 and STU3 names too.
INPUT_OF: dict[str, InputName] = {
    "Patient": InputName.PATIENT,
    "Condition": InputName.CONDITIONS,
    "Procedure": InputName.PROCEDURES,
    "MedicationRequest": InputName.MEDICATIONS,
    "MedicationOrder": InputName.MEDICATIONS,
    "MedicationStatement": InputName.MEDICATIONS,
    "MedicationUsage": InputName.MEDICATIONS,
    "MedicationDispense": InputName.MEDICATIONS,
    "MedicationAdministration": InputName.MEDICATIONS,
    "AllergyIntolerance": InputName.ALLERGIES,
    "Observation": InputName.OBSERVATIONS,
    "FamilyMemberHistory": InputName.FAMILY_HISTORY,
    "ServiceRequest": InputName.SERVICE_REQUESTS,
    "ProcedureRequest": InputName.SERVICE_REQUESTS,
    "ReferralRequest": InputName.SERVICE_REQUESTS,
    "DiagnosticOrder": InputName.SERVICE_REQUESTS,
}
# What was handed out or given today does not tell what else the patient takes.
_NOT_A_LIST = frozenset({"MedicationDispense", "MedicationAdministration"})

LIST_OF = {kind: name for kind, name in INPUT_OF.items() if kind not in _NOT_A_LIST}
"""The input of a type of which none says that there is nothing."""


@dataclass(slots=True)
class InputLog:
    """What happened to one input so far.

    `answered` is True once a good answer came, even an empty one. `failures` are answers that
    could not be had or read, `defects` holes in an answer that was read, `next_link` a further
    page that nobody has read yet.
    """

    name: InputName
    answered: bool = False
    glimpsed: bool = False
    seen: int = 0
    foreign: int = 0
    failures: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()
    next_link: str | None = None

    def found(self, resource_type: str, asked: bool) -> None:
        """A resource of this input was there. `asked` says that it came under the input's key."""
        if asked or resource_type not in _NOT_A_LIST:
            self.answered = True
        else:
            self.glimpsed = True

    def failed(self, why: str) -> None:
        self.failures = _once(self.failures, why)

    def defect(self, why: str) -> None:
        self.defects = _once(self.defects, why)

    def report(self) -> InputReport:
        """The state as the decision table of the checklist has it, with a reason."""
        holes = (*self.failures, *self.defects)
        if self.answered and not (self.seen or self.foreign or self.next_link or holes):
            return _EMPTY[self.name]
        if not self.answered and not self.glimpsed:
            state = InputState.FAILED if holes else InputState.ABSENT
            return InputReport(self.name, state, 0, _joined(holes))
        if not self.answered:
            holes += ("only dispenses or administrations were sent",)
        if self.next_link:
            holes += ("a further page was not read",)
        if self.foreign and not self.seen:
            holes += ("every entry is about another patient",)
        if holes:
            return InputReport(self.name, InputState.PARTIAL, self.seen, _joined(holes))
        return InputReport(self.name, InputState.READ if self.seen else InputState.EMPTY, self.seen)


_EMPTY = {name: InputReport(name, InputState.EMPTY) for name in InputName}


def _once(reasons: tuple[str, ...], why: str) -> tuple[str, ...]:
    return reasons if why in reasons or len(reasons) >= 5 else (*reasons, why)


def _joined(reasons: tuple[str, ...]) -> str | None:
    return "; ".join(reasons) or None
