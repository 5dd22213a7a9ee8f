"""One prefetch value or search answer on its way through."""

from __future__ import annotations

from dataclasses import dataclass, field

from cds_service.fhir.medicine_lists import LISTS
from cds_service.fhir.signal import Signal
from cds_service.knowledge.names import InputName


@dataclass(slots=True)
class InputAnswer:
    """One prefetch value or search answer on its way through: the input it was asked for (None
    under a key of the hospital's own), and the inputs whose resources it held.

    `whole`: it is no further page, so its Bundle must hold all the matches that it names.
    `others` counts resources of types that are no input, `hints` harmless OperationOutcomes and
    empty Bundles inside, `defects` are the reasons why something may be missing.
    """

    asked: InputName | None
    place: str
    whole: bool = True
    touched: set[InputName] = field(default_factory=set)
    others: int = 0
    hints: int = 0
    defects: list[str] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)


def concerned(answer: InputAnswer) -> set[InputName]:
    """The inputs that an answer is about: what was asked for, and what came."""
    return answer.touched | ({answer.asked} if answer.asked else set())


def is_other_list(answer: InputAnswer) -> bool:
    """Whether under the key of one list of medicines only the other came, as some hospitals map
    it: then nobody asked for the one."""
    asked = answer.asked
    return asked in LISTS and asked not in answer.touched and not LISTS.isdisjoint(answer.touched)
