"""The shape of words.yaml: names of medicines and allergens in words; and of orders in words."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from cds_service.knowledge.when import Id, Model, Text

Word = Annotated[str, Field(min_length=1, max_length=80)]


def _expression(text: str) -> str:
    try:
        re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


Expression = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_expression)]
"""A regular expression; capitals do not matter."""


class Codes(Model):
    """Codes of one system, each as it is written there."""

    system: Text
    codes: tuple[Word, ...]


class DrugWords(Model):
    """How the drugs of one group are called, and which options they speak against.

    `stems` are found anywhere in a text, `words` only as whole words. `codes` are those of the
    whole group (ATC groups, product codes) that stand in no value set. `value_sets` are those that
    the drugs are in: what rules say of them is asked of their names too, and withholds a draft.
    """

    id: Id
    label: Text
    value_sets: tuple[Id, ...] = ()
    as_medicine: tuple[Id, ...] = ()
    as_allergy: tuple[Id, ...] = ()
    codes: tuple[Codes, ...] = ()
    stems: tuple[Word, ...]
    words: tuple[Word, ...] = ()


class ConditionWords(Model):
    """How conditions that speak against an option are called.

    `stems` are found anywhere in a text, `words` as whole words, `capitals` as written. One of
    `needs` must stand in the text as well, and none of `unless`. `past`: counts when it is over.
    `with_value_sets`: counts only where the chart or an order holds one of these. `as_order`: the
    options that an order named so may already be.
    """

    id: Id
    label: Text
    as_condition: tuple[Id, ...]
    as_order: tuple[Id, ...] = ()
    past: bool = False
    with_value_sets: tuple[Id, ...] = ()
    stems: tuple[Word, ...]
    words: tuple[Word, ...] = ()
    capitals: tuple[Word, ...] = ()
    needs: tuple[Word, ...] = ()
    unless: tuple[Word, ...] = ()


class Language(Model):
    """How a language denies a finding, leaves it open or gives it to a relative.

    `none` denies what follows, with nothing but `fill` between, `after` what stands before; `but`
    and `open` take that back. `relatives` with `links` say whose it is, `self` that it is the
    patient's too. `besides`: no finding. `reactions` name an allergy; `elsewhere` are joints other
    than the hip (`here`). A star stands for any ending.
    """

    id: Id
    label: Text
    none: tuple[Word, ...]
    fill: tuple[Word, ...]
    after: tuple[Word, ...]
    but: tuple[Word, ...]
    open: tuple[Word, ...]
    relatives: tuple[Word, ...]
    links: tuple[Word, ...]
    self: tuple[Word, ...]
    besides: tuple[Word, ...]
    reactions: tuple[Word, ...]
    elsewhere: tuple[Word, ...]
    here: tuple[Word, ...]


class Unspecified(Model):
    """Codes and words that say "some drug" and not which."""

    id: Id
    codes: tuple[Codes, ...]
    words: tuple[Word, ...] = ()


class HarmlessAllergen(Model):
    """An allergen that speaks against no option."""

    id: Id
    label: Text
    codes: tuple[Codes, ...] = ()
    words: tuple[Word, ...]


class ResultWords(Model):
    """How a result is called whose code stands in no value set. A star stands for any ending; what
    also holds a word of `but_not` is another result. `codes` are known to mean it, in whatever
    system, and are not read as a value; `units` stand in a unit of no other result."""

    id: Id
    quantity: Literal["egfr", "potassium", "platelets"]
    words: tuple[Word, ...]
    but_not: tuple[Word, ...] = ()
    codes: tuple[Word, ...] = ()
    units: tuple[Word, ...] = ()


class OrderWords(Model):
    """How an order is called whose code is not understood: it is asked about.

    None of `unless` must stand in its words. Abbreviations have other meanings as well: they count
    beside a word of `beside`, a stated side or the category of surgery, and without any of
    `abbreviations_unless`.
    """

    words: tuple[Expression, ...] = Field(min_length=1)
    unless: tuple[Expression, ...] = ()
    abbreviations: tuple[Expression, ...] = ()
    beside: tuple[Expression, ...] = ()
    abbreviations_unless: tuple[Expression, ...] = ()
