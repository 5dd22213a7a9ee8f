"""One signal: the state that an input is in by the word of its source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cds_service.clinical.chart import InputState

if TYPE_CHECKING:
    from cds_service.knowledge.completeness_schema import SourceSignal

PARTIAL, FAILED, NONE = InputState.PARTIAL, InputState.FAILED, InputState.NONE_STATED
WITHHELD, UNKNOWN, NOT_ASKED = InputState.WITHHELD, InputState.UNKNOWN, InputState.NOT_ASKED
STRENGTH: Final = (FAILED, WITHHELD, UNKNOWN, NOT_ASKED, PARTIAL, NONE)
"""Which state is told where the source gives several."""


@dataclass(frozen=True, slots=True)
class Signal:
    """The state that an input is in by the word of its source, and why, without patient data.
    `id` is that of the signal in the knowledge."""

    state: InputState
    why: str
    id: str
    replaced_by: str | None = None  # the record that survives, of a patient's record


def said(row: SourceSignal, why: str) -> Signal:
    """The signal that a row of the knowledge stands for."""
    return Signal(InputState(row.state or FAILED), why, row.id)


def stated(row: SourceSignal) -> Signal:
    """As `said`, of a word of the source itself, which may be of any code."""
    return Signal(InputState(row.state or UNKNOWN), "the source says so", row.id)


def strongest(signals: Iterable[Signal]) -> Signal | None:
    """The one that counts where the source gives several."""
    return min(signals, key=lambda signal: STRENGTH.index(signal.state), default=None)
