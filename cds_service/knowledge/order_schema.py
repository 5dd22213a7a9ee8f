"""The shape of what is known of orders where genetic HO is on record."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cds_service.knowledge.schema import OrderKind, Rule
from cds_service.knowledge.when import Id, Model, Text
from cds_service.knowledge.word_schema import Expression

Numbers = Annotated[str, Field(pattern=r"^[0-9]{5}-[0-9]{5}$")]
"""A range of five-digit codes, both ends in it."""


class CodeSelection(Model):
    """Codes of one system (with its other names), by any of the ways to name them.

    Without codes, prefixes, ranges and patterns it is every code of the system. `names` asks for
    words in the name that the sender gives to the code, as well; `not_names` refuses by them.
    """

    systems: tuple[Text, ...] = Field(min_length=1)
    codes: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    ranges: tuple[Numbers, ...] = ()
    patterns: tuple[Expression, ...] = ()  # of the whole code
    not_codes: tuple[str, ...] = ()
    not_prefixes: tuple[str, ...] = ()
    not_patterns: tuple[Expression, ...] = ()
    names: tuple[Expression, ...] = ()
    not_names: tuple[Expression, ...] = ()


class HarmlessOrder(Rule):
    """Orders that need no cut, no needle into muscle and no stretching, for any patient."""

    codes: tuple[CodeSelection, ...] = ()
    value_sets: tuple[Id, ...] = ()
    routes: tuple[CodeSelection, ...] = ()  # of medicines: how they are given
    route_words: tuple[Expression, ...] = ()
    forms: tuple[CodeSelection, ...] = ()  # of medicines without a route
    form_words: tuple[Expression, ...] = ()
    resources: tuple[Text, ...] = ()  # resource types
    with_any: tuple[Text, ...] = ()  # members of which such a resource has one
    without: tuple[Text, ...] = ()  # members that it must not have


class NeverHarmless(Rule):
    """What no entry of the list makes harmless, unless every stated route is one of these."""

    codes: tuple[CodeSelection, ...] = ()
    resources: tuple[Text, ...] = ()
    unless_routes: tuple[CodeSelection, ...] = ()
    unless_route_words: tuple[Expression, ...] = ()  # without a route: in the words of the dosage
    unless_words: tuple[Expression, ...] = ()  # without a route: in name, form and dosage together
    words: tuple[Expression, ...] = ()  # in the words of any order; a stated route is believed
    name_words: tuple[Expression, ...] = ()  # in the name of what is ordered
    order_words: tuple[Expression, ...] = ()  # in the words of orders other than medicines
    line_words: tuple[Expression, ...] = ()  # in all words, also beside a stated route


class Harm(Rule):
    """What an order does that genetic HO forbids, and the card that says so.

    An order is the first that fits: by its kind (`orders`), codes, resource type, or words.
    """

    noun: Text
    card: Id
    orders: tuple[OrderKind, ...] = ()  # kinds of the triggers
    codes: tuple[CodeSelection, ...] = ()
    resources: tuple[Text, ...] = ()
    routes: tuple[CodeSelection, ...] = ()  # of medicines: one of these is enough
    words: tuple[Expression, ...] = ()
    medicine_words: tuple[Expression, ...] = ()  # in orders for medicines only
    note_words: tuple[Expression, ...] = ()  # in the notes of other orders: how it is done
    intramuscular: bool = False  # only where the order is for the intramuscular route
    route_disagrees: bool = False  # only where words say into muscle and a stated route does not
    life_saving: bool = False  # its card stands also where the disease is only suspected
    also_suspected: bool = False  # surgery, or a needle into muscle: it warns then (rows 1 to 3)
    unless: tuple[Expression, ...] = ()  # words by which it is something else
    any_order: bool = False  # what nothing else fits

    @model_validator(mode="after")
    def _recognisable(self) -> Harm:
        told = (self.orders, self.codes, self.resources, self.words, self.medicine_words)
        if not any(told) and not self.any_order:
            raise ValueError("name orders, codes, resources or words, or say any_order: true")
        return self


class KeptOrder(Rule):
    """An order that is never offered for removal, because it may save a life."""

    codes: tuple[CodeSelection, ...] = ()
    words: tuple[Expression, ...] = ()
    priorities: tuple[Literal["urgent", "asap", "stat"], ...] = ()


class EarlySigns(Rule):
    """When heterotopic ossification makes one think of a genetic disease without any name of it."""

    ossification: tuple[Id, ...] = Field(min_length=1)
    below_years: int = Field(gt=0)
    explained_by: tuple[Id, ...] = ()
    explained_codes: tuple[str, ...] = ()  # codes that begin so say the cause themselves
    toes: tuple[Id, ...] = ()
    toes_of_children: tuple[Id, ...] = ()
    orders: tuple[OrderKind, ...] = Field(min_length=1)
    card: Id
    referral: Id
