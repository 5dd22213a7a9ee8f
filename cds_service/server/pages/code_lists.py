"""The code lists of the evidence pages: every code of every value set, searched and exported."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.knowledge import evidence_places, terminology
from cds_service.knowledge.code_systems import name_of
from cds_service.server.pages import code_sources
from cds_service.server.pages.words import ASIDE, ASKS, roles

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge

DIAGNOSES = "icd-10-diagnoses"
"""A choice of the filter for two systems: ICD-10, of the WHO and of countries, and ICD-10-CM."""
_ALSO = {DIAGNOSES: ("icd-10", "icd-10-cm")}
_APART = re.compile(r"[^\w.]+")


@dataclass(frozen=True, slots=True)
class Code:
    """One code. `used` is false where it is listed but never matched (low confidence)."""

    value_set: str
    uri: str
    system: str
    code: str
    display: str
    prefix: bool
    side: str
    used: bool
    verified_in: str
    note: str

    @property
    def source(self) -> str:
        """Where it was verified, in words for an outsider."""
        return code_sources.words(self.verified_in) or "not stated"

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses of these sources, as far as there are any."""
        return code_sources.addresses(self.verified_in)


def spread(text: str) -> str:
    """Text made ready to be searched: its words in small letters, a blank before each."""
    return f" {_APART.sub(' ', text.casefold())}"


def slug(system: str) -> str:
    """A code system as the filter names it."""
    return _APART.sub("-", system.casefold().replace(".", "-")).strip("-")


class CodeLists:
    """All value sets of the knowledge, with the rules that use each."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._sets = knowledge.value_sets
        self._codes = {id_: tuple(_codes(one)) for id_, one in self._sets.items()}
        self._lines = {
            id_: [
                (spread(f"{c.code} {c.code.replace('.', '')} {c.display} {c.system}"), c) for c in f
            ]
            for id_, f in self._codes.items()
        }
        self.titles = {id_: str(one["title"]) for id_, one in self._sets.items()}
        self.users = _users(knowledge)
        names = sorted(
            {c.system for found in self._codes.values() for c in found}, key=str.casefold
        )
        self.systems = {slug(name): name for name in names}

    def choices(self) -> dict[str, str]:
        """The code systems that a search can be limited to, by the word of the filter."""
        return {DIAGNOSES: "ICD-10 and ICD-10-CM, diagnoses", **self.systems}

    def of(self, value_set: str) -> tuple[Code, ...] | None:
        """All codes of one value set, None when there is no such set."""
        return self._codes.get(value_set)

    def counts(self, value_set: str) -> dict[str, int]:
        """How many codes of each system a value set has."""
        found: dict[str, int] = {}
        for code in self._codes[value_set]:
            found[code.system] = found.get(code.system, 0) + 1
        return found

    def select(
        self, value_sets: Iterable[str], words: str = "", system: str = ""
    ) -> Iterator[Code]:
        """Codes of these value sets that hold all words, in one code system where one is named.

        A word is the beginning of a word of the code, its name or its system; or of the title or
        id of its value set; or, together with others, of the name of a rule that counts the set.
        """
        wanted = spread(words).split()
        slugs = _ALSO.get(system, (system,))
        for id_ in value_sets:
            if system and not any(slug(c.system) in slugs for c in self._codes[id_]):
                continue
            left = self._left(id_, wanted)
            for line, code in self._lines[id_]:
                if (not system or slug(code.system) in slugs) and _hit(line, left):
                    yield code

    def search(self, words: str, system: str = "") -> list[Code]:
        """The same over all value sets; nothing without a word and a system."""
        return list(self.select(self._sets, words, system)) if words.split() or system else []

    def _left(self, value_set: str, wanted: list[str]) -> Collection[str]:
        """The words that the codes themselves must hold, as few as may be."""
        titled = spread(f"{value_set} {self.titles[value_set]}")
        texts = [
            titled,
            *(spread(user.label) for user in self.users.get(value_set, ()) if user.counts),
        ]
        return min(([w for w in wanted if f" {w}" not in text] for text in texts), key=len)


@dataclass(frozen=True, slots=True)
class SetUser:
    """A rule that names a value set: its words, its page, and what the set is to it."""

    label: str
    place: str
    role: str

    @property
    def counts(self) -> bool:
        """Whether a code of the set speaks for the rule."""
        return self.role not in (ASIDE, ASKS)


def _hit(line: str, words: Collection[str]) -> bool:
    return all(f" {word}" in line for word in words)


def _codes(value_set: Mapping[str, Any]) -> Iterator[Code]:
    concepts = (c for part in value_set["compose"]["include"] for c in part.get("concept", ()))
    for row, concept in zip(terminology.rows(value_set), concepts, strict=True):
        said = terminology.extensions(concept)
        yield Code(
            value_set=row.concept,
            uri=row.system,
            system=name_of(row.system) or row.system,
            code=row.code,
            display=row.display,
            prefix=row.prefix,
            side=row.side.value if row.side else "",
            used=row.confidence != "low",
            verified_in=said.get("verified-in", ""),
            note=said.get("note", ""),
        )


def _users(knowledge: Knowledge) -> dict[str, list[SetUser]]:
    """For every value set the rules that name it."""
    places = evidence_places.of_rules(knowledge)
    users: dict[str, list[SetUser]] = {}
    for _, rules in evidence_places.kinds(knowledge):
        for rule in rules.values():
            for value_set, role in roles(rule).items():
                users.setdefault(value_set, []).append(SetUser(rule.label, places[rule.id], role))
    return users
