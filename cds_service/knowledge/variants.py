"""Variants of a card's words that a site tries: whose they are, and what they may not change."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from cds_service.knowledge.genetic_cards import speaks_of_genetic

if TYPE_CHECKING:
    from cds_service.knowledge.model import Content
    from cds_service.knowledge.overlay_changes import Change
    from cds_service.knowledge.overlay_schema import Overlay, VariantWords
    from cds_service.knowledge.schema import CardText

OWN: Final = "own"
"""The card's own words, which are always one of those that are compared."""
PARTS: Final = 10
"""Parts into which the users of one variant fall. What differs between parts of one variant is
chance, so users who answer alike are not taken for many (see `store.variant_figures`)."""
_SUMMARY: Final = 140  # signs of a summary (CDS Hooks 2.0, "Card Attributes")
_MORE: Final = 3  # words that advice may have above the card's own
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")


def key_of(card: str, variant: str) -> str:
    """The id of a variant in `Content.variants`."""
    return f"{card}/{variant}"


def by_card(content: Content) -> Mapping[str, tuple[tuple[str, CardText], ...]]:
    """The wordings of each card that has variants, by name; its own first."""
    found: dict[str, list[tuple[str, CardText]]] = {}
    for id_, text in content.variants.items():
        card, _, name = id_.partition("/")
        found.setdefault(card, [(OWN, content.cards[card])]).append((name, text))
    return {card: tuple(wordings) for card, wordings in found.items()}


def add(change: Change, overlay: Overlay) -> None:
    """Add the variants of an overlay to the content. What is not allowed is noted and left out."""
    for id_, named in overlay.variants.items():
        card = change.content.cards.get(id_)
        if card is None:
            change.unknown(("variants", id_), "card", id_, change.content.cards)
        elif speaks_of_genetic(card):
            reason = f"'{id_}' speaks of genetic HO, and nothing is tried on such a card"
            change.wrong(("variants", id_), reason, "remove it")
        else:
            for name, words in named.items():
                _add(change, card, name, words)


def _add(change: Change, card: CardText, name: str, words: VariantWords) -> None:
    path = ("variants", card.id, name)
    if name == OWN:
        change.wrong(path, f"'{OWN}' stands for the card's own words", "choose another name")
        return
    said = {key: value for key, value in words if value is not None}
    wrong = list(_mistakes(card, said))
    for member, reason, mend in wrong:
        change.wrong((*path, member), reason, mend)
    if not wrong:
        change.put("variants", card.model_copy(update={"id": key_of(card.id, name), **said}))


def _mistakes(card: CardText, said: Mapping[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    """What a variant changes beside the wording: member, reason, how to mend it."""
    for member, value in said.items():
        own, new = _texts(getattr(card, member)), _texts(value)
        if not any(own):
            yield member, f"the card has no {member} of its own", "remove it"
            continue
        try:
            lost, added = _filled(own) - _filled(new), _filled(new) - _filled(own)
        except ValueError as error:
            yield member, str(error), "write {{ for a brace"
            continue
        if lost:
            names = ", ".join(f"{{{name}}}" for name in sorted(lost))
            yield member, f"it does not say {names}, which the card's own words do", f"add {names}"
        if added:  # what another card fills in may be unknown here
            names = ", ".join(f"{{{name}}}" for name in sorted(added))
            yield member, f"nothing fills in {names} here", "fill in what the own words do"
        if moved := set(_numbers(own)) ^ set(_numbers(new)):
            reason = f"other numbers than in the card's own words: {', '.join(sorted(moved))}"
            yield member, reason, "a variant says the same in other words"
        if member.startswith("summary") and len(new[0]) > max(_SUMMARY, len(own[0])):
            yield member, f"{len(new[0])} signs are more than a summary holds", "shorten it"
        elif member.startswith("advice") and _length(new) > _length(own) + _MORE:
            reason = f"{_length(new)} words, more than {_MORE} above the card's own {_length(own)}"
            yield member, reason, "shorten it: a card is for ten seconds"


def _texts(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value or "",)


def _filled(texts: Iterable[str]) -> set[str]:
    """What is filled in. Raises ValueError for braces that do not match."""
    parsed = (part for text in texts for part in string.Formatter().parse(text))
    return {name for _, name, _, _ in parsed if name}


def _numbers(texts: Iterable[str]) -> Iterator[str]:
    return (number for text in texts for number in _NUMBER.findall(text))


def _length(texts: Iterable[str]) -> int:
    return sum(len(text.split()) for text in texts)
