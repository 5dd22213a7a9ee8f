"""Whether a text denies what it names, leaves it open, or speaks of a relative, in any language.

Only words right beside the place count. In any doubt a text says what it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.word_search import NOTHING, any_of, folded, spoken

_NEAR: Final = 120
_ENDS: Final = re.compile(r"\.\s|[\n;。；]")
_PUNCTUATION: Final = r"[.,;:)\]\n、。，；：）]"
_REST: Final = re.compile(r"^[a-z]+")
"""The ending of a word of which only the stem was found."""
_OTHER: Final = "\x01"
"""Stands for another finding of the same text."""
_GAP: Final = r"[\s'’/_-]*+"
_JOINING: Final = frozenset(
    {"or", "nor", "oder", "ou", "o", "ni", "ne", "noch", "of", "eller", "tai", "lub", "ani", "nebo",
     "och", "og", "und", "and", "et", "e", "y", "en", "ja", "i", "a"}
)  # fmt: skip
_JOINED: Final = rf"(?:(?:{'|'.join(sorted(_JOINING, key=len, reverse=True))})\b|[/、,&])"
_TOWARDS: Final = frozenset(
    {"against", "developing", "development", "contre", "gegen", "gegenüber", "contra", "contro",
     "tegen", "op", "mot", "mod", "przeciw", "przed", "proti", "delle", "della", "do", "の"}
)  # fmt: skip
"""What may stand between a risk or a prevention and that of which it is."""
_UNKNOWN: Final = re.compile(
    r"unknown|unbekannt|inconnu|descono|sconosc|onbekend|okand|ukendt|ukjent|tiedossa|nieznan|neznam"
)


class _Said:
    """The words of all languages together, folded."""

    def __init__(self, knowledge: Knowledge | None) -> None:
        languages = tuple(knowledge.languages.values()) if knowledge else ()

        def words(member: str) -> frozenset[str]:
            return frozenset(folded(w) for one in languages for w in getattr(one, member))

        self.none, self.fill, self.after = words("none"), words("fill"), words("after")
        self.but, self.open, self.self = words("but"), words("open"), words("self")
        self.relatives, self.links = words("relatives"), words("links")
        self.besides, self.reactions = words("besides"), words("reactions")
        self.elsewhere, self.here = words("elsewhere"), words("here")


class Sayings:
    """The languages of the knowledge, compiled; without a knowledge nothing is ever denied.

    Every loop is possessive: a text of the same word a hundred times costs no more than another.
    """

    def __init__(self, knowledge: Knowledge | None = None) -> None:
        said = _Said(knowledge)
        none, after, besides = spoken(said.none), spoken(said.after), spoken(said.besides)
        relatives = spoken(said.relatives)
        fill = spoken(said.fill)
        self._before = re.compile(
            rf"{none}(?:{_GAP}(?:{fill}|{_OTHER}\s*{_JOINED}))*+{_GAP}\(?{_GAP}$"
        )
        tail = spoken((said.fill | said.links | said.here) - _JOINING)
        self._ends = re.compile(
            rf"(?:[\s'’(-]*+(?:{tail}|\d+))*+[\s)]*(?:$|{_PUNCTUATION}|{_JOINED}(?:\s|$))"
        )
        self._after = re.compile(
            rf"(?:[\s'’(-]*+(?:{spoken((said.fill | said.links | said.here) - said.after)}))*+"
            rf"[\s:,()-]*+{after}\s*"
            rf"(?:$|{_PUNCTUATION}|(?:par|por|da|durch|door|med|av|przez|by|on|genet\w*)\b)"
        )
        self._open = re.compile(rf"[?？]|{spoken(said.open)}|{spoken(said.but)}")
        self._undone = re.compile(
            rf"\b(?:not|nicht|non|no|nao|niet|inte|ej|ikke|ei|nie|neni|pas)\s+(?:\w+\s+)?{after}"
        )
        self._but = re.compile(spoken(said.but))
        begun = {word.split()[0] for word in said.relatives}
        not_whose = begun | said.relatives
        lead = spoken((said.fill | said.links) - not_whose)
        beside = spoken((said.fill | said.links | said.here) - not_whose)
        linked = spoken(said.fill | said.links | said.relatives)
        self._of_relative = re.compile(
            rf"(?:^|[.;,:(/\n、。，；（-])\s*+(?:{lead}[\s'’]*+)*+{relatives}"
            rf"(?:[\s'’:,.=/()（-]*+(?:{linked}|{_OTHER}|\d+))*+[\s'’:,.=()（-]*$"
        )
        self._in_relative = re.compile(
            rf"(?:[\s'’(（–-]*+(?:{beside}|\d+))*+[\s'’(（–-]*+{relatives}"
            rf"(?:[\s'’]*+(?:{linked}))*+\s*(?:$|{_PUNCTUATION})"
        )
        self._self = re.compile(spoken(said.self))
        self._beside = re.compile(rf"[\s'’/の的-]*{besides}")
        compound = any_of(folded(w) for w in said.besides)
        self._compound = re.compile(rf"s?-?{compound}" if compound else NOTHING.pattern)
        towards = spoken((said.fill | said.links | _TOWARDS) - not_whose)
        self._risk = re.compile(rf"{besides}(?:[\s'’/-]*+(?:{towards}))*+[\s'’/-]*$")
        self.reactions = re.compile(spoken(said.reactions).replace(r"(?<!\w)", ""))
        self._elsewhere = re.compile(spoken(said.elsewhere))
        self._here = re.compile(spoken(said.here))
        # "Ei-steroidiset", "no esteroideos" name a class of drugs.
        self._starts = re.compile(rf"\W*(?!\w+[\s-]+e?stero)(?:{none}|{relatives})")
        self._stops = re.compile(rf"{after}\W*$")
        self._none = re.compile(rf"\W*{none}")

    def denies(self, before: str, after: str) -> bool:
        """Whether the words around a finding plainly say that there is none."""
        before, after = folded(before[-_NEAR:]), _REST.sub("", folded(after[:_NEAR]))
        said = self._before.search(before)
        if not (said and self._ends.match(after)) and not self._after.match(after):
            return False
        earlier = _ENDS.split(before[: said.start()] if said else before)[-1]
        rest = _ENDS.split(after)[0]
        return not (self._open.search(f"{earlier[-60:]}|{rest}") or self._undone.search(rest))

    def of_relative(self, before: str, after: str) -> bool:
        """Whether the words around a finding say that a relative has it."""
        before, after = folded(before[-_NEAR:]), _REST.sub("", folded(after[:_NEAR]))
        before, rest = _ENDS.split(before)[-1], _ENDS.split(after)[0]
        if self._self.search(before) or self._self.search(rest) or self._before.search(before):
            return False
        return bool(self._of_relative.search(before) or self._in_relative.match(after))

    def is_no_finding(self, before: str, after: str) -> bool:
        """Whether it is a clinic, a risk or a leaflet that is named so."""
        before, after = folded(before[-_NEAR:]), folded(after[:_NEAR])
        return bool(
            self._beside.match(after) or self._compound.match(after) or self._risk.search(before)
        )

    def speaks(self, before: str, after: str) -> bool:
        """Whether a finding is the patient's, as far as the words around it tell."""
        return not (
            self.denies(before, after)
            or self.of_relative(before, after)
            or self.is_no_finding(before, after)
        )

    def is_elsewhere(self, value: str) -> bool:
        """Whether a text names another joint and no hip."""
        said = folded(value)
        return bool(self._elsewhere.search(said)) and not self._here.search(said)

    def denies_all(self, value: str) -> bool:
        """Whether a whole text begins or ends with words that deny it, or with a relative."""
        said = folded(value)
        if self._but.search(said):
            return False
        return bool(self._starts.match(said) or self._stops.search(said))

    def says_no_allergy(self, value: str) -> bool:
        """Whether a text says that there is no allergy ("Pas d'allergie connue")."""
        said = folded(value)
        denied = self._none.match(said) or self._stops.search(said)
        plain = denied and not self._but.search(said) and not _UNKNOWN.search(said)
        return bool(plain and self.reactions.search(said))

    def is_allergy(self, values: Iterable[str]) -> bool:
        """Whether a text says that it is an allergy."""
        return any(self.reactions.search(folded(value)) for value in values)


SILENT: Final = Sayings()
"""Denies nothing."""
