"""The shape of completeness.yaml: what a source can tell of its own answer, and what follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from cds_service.knowledge.when import Id, Model, Text
from cds_service.knowledge.word_schema import Expression

SignalState = Literal["none-stated", "not-asked", "unknown", "withheld", "partial", "failed"]
SignalKind = Literal[
    "issue", "vendor", "words", "harmless-words", "empty-reason", "statement", "absent-reason",
    "label", "answer", "record", "entry-words",
]  # fmt: skip
State = Literal[
    "read", "none-stated", "empty", "not-asked", "unknown", "withheld", "partial", "failed",
    "absent",
]  # fmt: skip
STATES: tuple[State, ...] = get_args(State)
KNOWN: frozenset[State] = frozenset({"read", "none-stated", "empty"})
Meaning = Literal["silent", "clause", "question", "withhold", "card", "refuse"]
_CODED = frozenset({"issue", "vendor", "empty-reason", "statement", "absent-reason", "label"})
_IN_WORDS = frozenset({"words", "harmless-words", "entry-words"})
_IN_SYSTEMS = frozenset({"vendor", "statement"})


class SourceSignal(Model):
    """One way in which a source says that it did not tell everything, or does not know.

    `state` is the state of the input that follows; none for what is harmless. `systems` are code
    systems, of a vendor the beginnings of them. `only_empty`: it counts where nothing was sent.
    `of` names the list that a code of a statement is about, where it is about one alone.
    The id of an `answer`, `record` or `harmless-words` signal is known to the code that sees it.
    """

    id: Id
    kind: SignalKind
    label: Text
    state: SignalState | None = None
    vendor: Id | None = None
    systems: tuple[Text, ...] = ()
    codes: tuple[Text, ...] = ()
    words: tuple[Expression, ...] = ()
    only_empty: bool = False
    of: Mapping[
        Literal["conditions", "procedures", "medications", "allergies"], tuple[Text, ...]
    ] = {}
    about: Text
    source: Text

    @model_validator(mode="after")
    def _whole(self) -> SourceSignal:
        wanted = {
            "codes": self.kind in _CODED,
            "systems": self.kind in _IN_SYSTEMS,
            "words": self.kind in _IN_WORDS,
            "vendor": self.kind == "vendor",
        }
        for name, is_wanted in wanted.items():
            if bool(getattr(self, name)) != is_wanted:
                said = "is missing" if is_wanted else "has no meaning"
                raise ValueError(f"{name}: {said} for a signal of kind {self.kind}")
        if self.of and self.kind != "statement":
            raise ValueError(f"of: has no meaning for a signal of kind {self.kind}")
        if stray := {code for codes in self.of.values() for code in codes} - {*self.codes}:
            raise ValueError(f"of: {sorted(stray)[0]} is none of the codes")
        if self.state is None and self.kind in {"words", "statement", "label", "answer", "record"}:
            raise ValueError("state: name one")
        if self.state is not None and self.kind == "harmless-words":
            raise ValueError("state: has no meaning for a signal of kind harmless-words")
        return self


class StateText(Model):
    """One state of an input. `words` fill in `{state}` where a card speaks of it."""

    id: State
    label: Text
    words: Text | None = None
    about: Text


class StateEffect(Model):
    """What can follow from the state of an input."""

    id: Meaning
    about: Text


class InputMeaning(Model):
    """What each state means for one input. `label` is what a card calls the input."""

    id: Id
    input: Literal[
        "patient",
        "conditions",
        "procedures",
        "medications",
        "allergies",
        "observations",
        "familyHistory",
        "serviceRequests",
    ]
    label: Text
    states: Annotated[Mapping[State, Meaning], Field(json_schema_extra={"required": list(STATES)})]

    @model_validator(mode="after")
    def _safe(self) -> InputMeaning:
        if lacking := [state for state in STATES if state not in self.states]:
            raise ValueError(f"states: say what {', '.join(lacking)} means too")
        if self.input != "conditions":
            if "refuse" in self.states.values():
                raise ValueError("states: only without the problem list can nothing be said")
            return self
        weak = [s for s in STATES if s not in KNOWN and self.states[s] not in {"card", "refuse"}]
        if weak:
            said = ", ".join(weak)
            raise ValueError(f"states: a problem list that is {said} is never silence (row 11)")
        return self
