"""Finds the names of drugs, and of harmless allergens, in short texts of any language."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.sayings import SILENT, Sayings
from cds_service.knowledge.word_schema import Codes, DrugWords
from cds_service.knowledge.word_search import NOTHING, any_of, folded, spoken, squeezed

Code = tuple[str, str]
"""System and code."""

_TOKEN: Final = re.compile(r"\w+")
_PART: Final = re.compile(r"[,;/+&|]|\b(?:and|und|et|y|e|en|och|og|ja|i|a)\b")
_LONGEST: Final = 4  # words of a name
_SHORT: Final = 5  # a Latin name below this is heeded as a whole word only


def _pattern(stems: Iterable[str]) -> re.Pattern[str]:
    return re.compile(any_of({squeezed(stem) for stem in stems}) or NOTHING.pattern)


def _spoken(value: str) -> Iterable[str]:
    """Every run of up to four words of a text."""
    tokens = _TOKEN.findall(folded(value))
    for start in range(len(tokens)):
        for end in range(start + 1, min(start + _LONGEST, len(tokens)) + 1):
            yield " ".join(tokens[start:end])


class DrugNames:
    """The word lists of the knowledge, compiled; without a knowledge they name nothing."""

    def __init__(self, knowledge: Knowledge | None = None) -> None:
        groups = knowledge.drug_words if knowledge else {}
        self._stems = {name: _pattern(group.stems) for name, group in groups.items()}
        self._any = _pattern(s for group in groups.values() for s in group.stems)
        self._words: Mapping[str, set[str]] = _by_word(groups)
        self._codes: defaultdict[Code, set[str]] = defaultdict(set)
        for name, group in groups.items():
            for code in _listed(group.codes):
                self._codes[code].add(name)
        harmless = knowledge.harmless_allergens.values() if knowledge else ()
        unspecified = knowledge.unspecified_drugs.values() if knowledge else ()
        self._harmless_codes = {c for one in harmless for c in _listed(one.codes)}
        self._unspecified = {c for one in unspecified for c in _listed(one.codes)}
        self._some_drug = re.compile(spoken(w for one in unspecified for w in one.words))
        self.sayings = knowledge.once(Sayings) if knowledge else SILENT
        names = {folded(word) for one in harmless for word in one.words}
        whole = {name for name in names if name.isascii() and len(name) < _SHORT}
        self._harmless = _pattern(names - whole)
        self._harmless_whole = frozenset(whole)
        self._value_sets = {name: frozenset(group.value_sets) for name, group in groups.items()}
        self._against = {
            "medications": {n: frozenset(g.as_medicine) for n, g in groups.items()},
            "allergies": {n: frozenset(g.as_allergy) for n, g in groups.items()},
        }

    def __bool__(self) -> bool:
        return bool(self._stems)

    def named(self, texts: Iterable[str], codes: Iterable[Code] = ()) -> tuple[str, ...]:
        """The groups, in their order, that one of the texts or codes names."""
        found: set[str] = set()
        for code in codes:
            found |= self._codes.get(code, set())
        for text in texts:
            if self._any.search(ready := squeezed(text)):
                found |= {name for name, stems in self._stems.items() if stems.search(ready)}
            for said in _spoken(text):
                found |= self._words.get(said, set())
        return tuple(name for name in self._stems if name in found)

    def options(self, kind: str) -> frozenset[str]:
        """Every option that some entry of an input speaks against."""
        return frozenset(option for found in self._against[kind].values() for option in found)

    def speaks_against(self, groups: Iterable[str], kind: str) -> frozenset[str]:
        """The options that entries of an input speak against when they name these groups."""
        against = self._against[kind]
        return frozenset(option for name in groups for option in against[name])

    def stand_for(self, groups: Iterable[str]) -> frozenset[str]:
        """The value sets of the drugs that these groups name."""
        return frozenset(concept for name in groups for concept in self._value_sets[name])

    def also_of(self, groups: Iterable[str], concepts: frozenset[str]) -> tuple[str, ...]:
        """These groups, and those of the drugs of some value sets: for each set the group that
        stands for the fewest."""
        found = set(groups)
        for concept in concepts:
            of = [name for name, sets in self._value_sets.items() if concept in sets]
            found |= set(sorted(of, key=lambda name: len(self._value_sets[name]))[:1])
        return tuple(name for name in self._stems if name in found)

    def rules_out(self, texts: Iterable[str]) -> bool:
        """Whether the words of an allergy name a drug that speaks against an option, or say that
        it is one to some drug."""
        said = [text for text in texts if not self.sayings.denies_all(text)]
        if any(self._against["allergies"][name] for name in self.named(said)):
            return True
        return any(self._some_drug.match(folded(text)) for text in said)

    def is_harmless(self, texts: Iterable[str], codes: Iterable[Code]) -> bool:
        """Whether an allergy is on the list of harmless ones, by its code or by all its words."""
        coded = set(codes)
        if coded & self._unspecified:
            return False
        if coded & self._harmless_codes:
            return True
        said = [part for text in texts for part in _PART.split(folded(text)) if part.strip()]
        return bool(said) and all(self._names_harmless(part) for part in said)

    def _names_harmless(self, part: str) -> bool:
        if self._harmless.search(squeezed(part)):
            return True
        return not self._harmless_whole.isdisjoint(_TOKEN.findall(part))


def _by_word(groups: Mapping[str, DrugWords]) -> Mapping[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, group in groups.items():
        for word in group.words:
            found[" ".join(_TOKEN.findall(folded(word)))].add(name)
    return dict(found)


def _listed(codes: Iterable[Codes]) -> Iterable[Code]:
    for one in codes:
        for code in one.codes:
            yield one.system, code


NO_NAMES: Final = DrugNames()
"""Names nothing."""
