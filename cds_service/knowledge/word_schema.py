"""The shape of words.yaml: names of medicines and allergens in words."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cds_service.knowledge.when import Id, Model, Text

Word = Annotated[str, Field(min_length=1, max_length=80)]


class Codes(Model):
    """Codes of one system, each as it is written there."""

    system: Text
    codes: tuple[Word, ...]


class DrugWords(Model):
    """How the drugs of one group are called, and which options they speak against.

    `stems` are found anywhere in a text, `words` only as whole words. `codes` are those of the
    whole group (ATC groups, product codes) that stand in no value set.
    """

    id: Id
    label: Text
    as_medicine: tuple[Id, ...] = ()
    as_allergy: tuple[Id, ...] = ()
    codes: tuple[Codes, ...] = ()
    stems: tuple[Word, ...]
    words: tuple[Word, ...] = ()


class Unspecified(Model):
    """Codes that say "some drug" and not which."""

    id: Id
    codes: tuple[Codes, ...]


class HarmlessAllergen(Model):
    """An allergen that speaks against no option."""

    id: Id
    label: Text
    codes: tuple[Codes, ...] = ()
    words: tuple[Word, ...]
