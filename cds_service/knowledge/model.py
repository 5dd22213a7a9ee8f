"""The clinical content in memory: what the files say, and with version and code index on top."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from cds_service.knowledge import (
    completeness_schema,
    order_schema,
    profile_schema,
    schema,
    word_schema,
)
from cds_service.knowledge.namespaces import in_force
from cds_service.knowledge.terminology import CodeIndex

_T = TypeVar("_T")

ValueSet = Mapping[str, Any]
"""A FHIR R4 ValueSet as decoded JSON."""


class ValueSets(Mapping[str, ValueSet]):
    """Value sets by id, each decoded when it is asked for.

    No call asks for one, only the code index at the start and the pages do: decoded they would be
    a sixth of what a worker holds in memory. `packed` holds the bytes of their files, compressed.
    """

    def __init__(self, packed: Mapping[str, bytes]) -> None:
        self.packed = packed

    @classmethod
    def of(cls, raws: Mapping[str, bytes]) -> ValueSets:
        """Those with these bytes."""
        return cls({id_: zlib.compress(raw, level=1) for id_, raw in raws.items()})

    def changed(self, sets: Mapping[str, ValueSet]) -> ValueSets:
        """With these in place of those of their names."""
        changed = self.of({id_: msgspec.json.encode(one) for id_, one in sets.items()})
        return ValueSets({**self.packed, **changed.packed})

    def beside(self, other: ValueSets) -> dict[str, ValueSet]:
        """Those that are not the same, byte for byte, in the other."""
        same = other.packed
        return {id_: self[id_] for id_, raw in self.packed.items() if same.get(id_) != raw}

    def __getitem__(self, id_: str) -> ValueSet:
        found: ValueSet = msgspec.json.decode(in_force(zlib.decompress(self.packed[id_])))
        return found

    def __contains__(self, id_: object) -> bool:
        return id_ in self.packed

    def __iter__(self) -> Iterator[str]:
        return iter(self.packed)

    def __len__(self) -> int:
        return len(self.packed)


@dataclass(frozen=True, kw_only=True)
class Content:
    """What the content files say. All mappings are by id and keep the order of their file."""

    meta: schema.Meta
    services: Mapping[str, schema.HookService]
    triggers: Mapping[str, schema.Trigger]
    harms: Mapping[str, order_schema.Harm]
    kept: Mapping[str, order_schema.KeptOrder]
    harmless: Mapping[str, order_schema.HarmlessOrder]
    never: Mapping[str, order_schema.NeverHarmless]
    genetic: Mapping[str, schema.Genetic]
    early: order_schema.EarlySigns
    factors: Mapping[str, schema.Factor]
    modifiers: Mapping[str, schema.Modifier]
    non_factors: Mapping[str, schema.NonFactor]
    exclusions: Mapping[str, schema.Exclusion]
    unknown_checks: tuple[schema.UnknownCheck, ...]
    signals: Mapping[str, completeness_schema.SourceSignal]
    states: Mapping[str, completeness_schema.StateText]
    effects: Mapping[str, completeness_schema.StateEffect]
    meanings: Mapping[str, completeness_schema.InputMeaning]
    options: Mapping[str, schema.Option]
    regimens: Mapping[str, schema.Regimen]
    protection: schema.Protection
    cards: Mapping[str, schema.CardText]
    override_reasons: Mapping[str, schema.ReasonText]
    standard_reasons: Mapping[str, schema.CodedReason]
    links: Mapping[str, schema.LinkText]
    referrals: Mapping[str, schema.Referral]
    drug_words: Mapping[str, word_schema.DrugWords]
    condition_words: Mapping[str, word_schema.ConditionWords]
    languages: Mapping[str, word_schema.Language]
    unspecified_drugs: Mapping[str, word_schema.Unspecified]
    harmless_allergens: Mapping[str, word_schema.HarmlessAllergen]
    result_words: Mapping[str, word_schema.ResultWords]
    profiles: Mapping[str, profile_schema.Profile]
    variants: Mapping[str, schema.CardText] = field(default_factory=dict)
    """Of an overlay, by `card/variant`: the card in other words."""
    evidence: Mapping[str, schema.Evidence]
    controversies: Mapping[str, schema.Controversy]
    value_sets: ValueSets


@dataclass(frozen=True, kw_only=True)
class Knowledge(Content):
    """Checked content with its version, the index of its codes, and what a site changed.

    `version` is `<meta.version>+<hash of the content>`, and with an overlay `+site.<its hash>`.
    `differences` are readable lines on what the overlay changed, empty without one; `approved` says
    who approved it, in the site's words.
    """

    version: str
    index: CodeIndex
    site: str | None = None
    differences: tuple[str, ...] = ()
    approved: str | None = None
    _made: dict[Callable[[Knowledge], Any], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def once(self, make: Callable[[Knowledge], _T]) -> _T:
        """What `make` gives for this content, made at the first call and kept as long as it.

        For tables and ready text that follow from the content alone: nothing of a request may
        get in, save what `fhir.dull_codes` keeps in place of it.
        """
        try:
            made: _T = self._made[make]
        except KeyError:
            made = self._made[make] = make(self)
        return made
