"""The shape of completeness.yaml: what a source can tell of its own answer, and what follows."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from cds_service.knowledge.order_schema import Expression
from cds_service.knowledge.when import Id, Model, Text

SignalState = Literal["none-stated", "not-asked", "unknown", "withheld", "partial", "failed"]
SignalKind = Literal[
    "issue", "vendor", "words", "empty-reason", "statement", "absent-reason", "label", "answer",
    "record",
]  # fmt: skip
_CODED = frozenset({"issue", "vendor", "empty-reason", "statement", "absent-reason", "label"})
_IN_SYSTEMS = frozenset({"vendor", "statement"})


class SourceSignal(Model):
    """One way in which a source says that it did not tell everything, or does not know.

    `state` is the state of the input that follows; none for what is harmless. `systems` are code
    systems, of a vendor the beginnings of them. `only_empty`: it counts where nothing was sent.
    The id of an `answer` or `record` signal is known to the code that sees it.
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
    about: Text
    source: Text

    @model_validator(mode="after")
    def _whole(self) -> SourceSignal:
        wanted = {
            "codes": self.kind in _CODED,
            "systems": self.kind in _IN_SYSTEMS,
            "words": self.kind == "words",
            "vendor": self.kind == "vendor",
        }
        for name, is_wanted in wanted.items():
            if bool(getattr(self, name)) != is_wanted:
                said = "is missing" if is_wanted else "has no meaning"
                raise ValueError(f"{name}: {said} for a signal of kind {self.kind}")
        if self.state is None and self.kind in {"words", "statement", "label", "answer", "record"}:
            raise ValueError("state: name one")
        return self
