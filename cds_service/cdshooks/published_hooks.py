"""The hooks that HL7 has published: the version of each, and what its context must have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class PublishedHook:
    """A hook by its page: `version` is its hookVersion, `required` are members of the context."""

    version: str
    required: tuple[str, ...]


PUBLISHED: Final[Mapping[str, PublishedHook]] = {
    "order-sign": PublishedHook("1.0", ("userId", "patientId", "draftOrders")),
    "order-select": PublishedHook("1.0", ("userId", "patientId", "selections", "draftOrders")),
    "patient-view": PublishedHook("1.0", ("userId", "patientId")),
    "order-dispatch": PublishedHook("1.1", ("patientId", "dispatchedOrders", "performer")),
    "appointment-book": PublishedHook("1.0", ("userId", "patientId", "appointments")),
    "encounter-start": PublishedHook("1.0", ("userId", "patientId", "encounterId")),
    "encounter-discharge": PublishedHook("1.0", ("userId", "patientId", "encounterId")),
}
"""As in HL7/cds-hooks-library (commit 5d04c4d, input/pagecontent). The version is that of the table
at the head of a page: the change log of order-sign goes on to 1.1.0, its table says 1.0."""
