"""Fits an answer to what a registered client is known to need."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.cdshooks.models import Json, new_uuid


def fit(answer: Json, quirks: frozenset[str]) -> Json:
    """The answer as a client with these quirks can show it; unchanged for most.

    `epic`: Epic honours `any` only as selectionBehavior, and one action per suggestion (its CDS
    Hooks tutorial). What belongs together then stands as suggestions side by side; the detail of
    the card still says what goes with what, and that one of several is advised.
    """
    if "epic" not in quirks:
        return answer
    return answer | {"cards": [_for_epic(card) for card in answer["cards"]]}


def _for_epic(card: Json) -> Json:
    if "suggestions" not in card:
        return card
    single = [part for suggestion in card["suggestions"] for part in _parts(suggestion)]
    return card | {"suggestions": single, "selectionBehavior": "any"}


def _parts(suggestion: Json) -> Iterator[Json]:
    actions = suggestion.get("actions", ())
    if len(actions) < 2:
        yield suggestion
        return
    for action in actions:
        own = {"label": action["description"], "uuid": new_uuid(), "actions": [action]}
        yield suggestion | own
