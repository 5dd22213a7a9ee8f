"""The shape of profiles.yaml: what is known of the EHRs of one vendor or country."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from cds_service.knowledge.names import InputName
from cds_service.knowledge.when import Id, Model, Text

PublicUrl = Annotated[str, Field(pattern=r"^https?://\S+$", max_length=300)]
MedicineList = Literal["orders", "statements"]


class Fact(Model):
    """One fact about these EHRs, in our own words, with the public page that says so."""

    says: Text
    source: PublicUrl


class Profile(Model):
    """How the answers of these EHRs are read. What is not known stays as without a profile.

    `whole_lists` names the lists of medicines of which each holds all that is taken. `wants_intent`
    says that a search for MedicationRequest is refused without `intent`. `empty` says what an empty
    list means there, for inputs of which it does not say that none is recorded. `vendor` is the key
    of its OperationOutcome codes.
    """

    id: Id
    label: Text
    vendor: Id | None = None
    whole_lists: tuple[MedicineList, ...] = ()
    wants_intent: bool = False
    empty: Mapping[InputName, Literal["not-asked", "unknown"]] = {}
    facts: tuple[Fact, ...] = Field(min_length=1)

    @property
    def orders_are_whole(self) -> bool:
        """Whether the orders hold all medicines, so that nothing else has to be read."""
        return "orders" in self.whole_lists
