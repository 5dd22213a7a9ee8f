"""Fits an answer to what a registered client is known to need."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.clients import Client
from cds_service.wire import Card, CDSResponse, Suggestion


def fit(response: CDSResponse, client: Client | None) -> CDSResponse:
    """The answer as this client can show it; unchanged for most.

    `epic`: Epic honours `any` only as selectionBehavior, and one action per suggestion (its CDS
    Hooks tutorial). What belongs together then stands as suggestions side by side; the detail of
    the card still says what goes with what, and that one of several is advised.
    """
    if client is None or "epic" not in client.quirks:
        return response
    return response.model_copy(update={"cards": tuple(_for_epic(card) for card in response.cards)})


def _for_epic(card: Card) -> Card:
    if not card.suggestions:
        return card
    single = tuple(part for suggestion in card.suggestions for part in _parts(suggestion))
    return card.model_copy(update={"suggestions": single, "selection_behavior": "any"})


def _parts(suggestion: Suggestion) -> Iterator[Suggestion]:
    actions = suggestion.actions or ()
    if len(actions) < 2:
        yield suggestion
        return
    for action in actions:
        yield Suggestion(
            label=action.description,
            is_recommended=suggestion.is_recommended,
            actions=(action,),
            extension=suggestion.extension,
        )
