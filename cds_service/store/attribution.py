"""Tells which feedback is on what was issued: only the suggestions of its own card are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.cdshooks.feedback import NOT_OURS, FeedbackItem
from cds_service.store.tables import issued

_AT_ONCE = 1_000  # parameters of one statement; both databases take some 32,000

_Card = tuple[str, str]


async def with_own_suggestions(
    connection: AsyncConnection, items: Sequence[FeedbackItem]
) -> list[FeedbackItem]:
    """The items, with NOT_OURS for each suggestion that was not on the card as this client got it.

    That is also said where the card is not in the database (yet).
    """
    named = sorted({item.card for item in items if item.suggestions})
    sent: dict[_Card, frozenset[str]] = {}
    columns = (issued.c.card, issued.c.client, issued.c.suggestions)
    for start in range(0, len(named), _AT_ONCE):
        some = named[start : start + _AT_ONCE]
        for row in await connection.execute(select(*columns).where(issued.c.card.in_(some))):
            sent[row.card, row.client] = frozenset(row.suggestions.split())
    return [
        replace(item, suggestions=tuple(dict.fromkeys(_own(item, sent))))
        if item.suggestions
        else item
        for item in items
    ]


def _own(item: FeedbackItem, sent: Mapping[_Card, frozenset[str]]) -> Iterator[str]:
    known = sent.get((item.card, item.client), frozenset())
    return (one if one in known else NOT_OURS for one in item.suggestions)
