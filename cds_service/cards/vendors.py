"""Fits an answer to what a registered client is known to need."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from cds_service.cdshooks.models import Json, new_uuid


def fit(answer: Json, quirks: Collection[str] = (), features: Collection[str] = ()) -> Json:
    """The answer as a client with these quirks and features can show it; unchanged for most.

    `epic`: Epic honours `any` only as selectionBehavior, and one action per suggestion (its CDS
    Hooks tutorial). What belongs together then stands as suggestions side by side; the detail of
    the card still says what goes with what, and that one of several is advised.

    `actionSelectionBehavior` (CDS Hooks 3.0, SG-06) says that the actions of a suggestion are
    taken together: the drug that protects the stomach is not left out.
    """
    if "epic" in quirks:
        answer = answer | {"cards": [_for_epic(card) for card in answer["cards"]]}
    if "actionSelectionBehavior" in features:
        answer = answer | {"cards": [_together(card) for card in answer["cards"]]}
    return answer


def _together(card: Json) -> Json:
    if "suggestions" not in card:
        return card
    marked = [
        one | {"actionSelectionBehavior": "all"} if len(one.get("actions", ())) > 1 else one
        for one in card["suggestions"]
    ]
    return card | {"suggestions": marked}


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
