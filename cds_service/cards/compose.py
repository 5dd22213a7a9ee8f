"""Turns an assessment into the CDS Hooks answer: cards, suggestions, override reasons, trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from msgspec import Raw

from cds_service.cards import detail, line_links, trace
from cds_service.cards.override_reasons import own, standard
from cds_service.cards.prepared_orders import PreparedOrders
from cds_service.cards.suggestions import Requester, behavior, suggest
from cds_service.cards.summary import summary
from cds_service.cards.wordings import Draw
from cds_service.cdshooks.models import (
    Coding,
    Json,
    Link,
    OverrideReason,
    Source,
    encode,
    new_uuid,
    to_bytes,
    to_json,
)
from cds_service.cdshooks.models import summary as checked_summary
from cds_service.clinical.assessment import Assessment, Guidance
from cds_service.clinical.chart import Chart
from cds_service.knowledge import evidence_places
from cds_service.knowledge.namespaces import CARD_TOPICS, topic_code
from cds_service.ops.urls import is_loopback_host

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import CardText, ReasonText

"""Code system of `source.topic`. EHRs keep overrides by it, so its codes never change."""

_USER = re.compile(
    r"(?:Practitioner|PractitionerRole|Patient|RelatedPerson|Organization|Device)/[A-Za-z0-9._-]+"
)
_ID = re.compile(r"[A-Za-z0-9._-]+")
_EVIDENCE_LINK = "Evidence behind this card"


_INDICATORS = frozenset({"info", "warning", "critical"})


@dataclass(frozen=True, slots=True)
class _Frame:
    """What all cards of one text have: source, override reasons and links as they are, and how the
    lines of its detail begin."""

    source: Raw
    shared: Mapping[str, Raw]
    titles: Mapping[str, str]


class Composer:
    """Makes answers as JSON data.

    What all cards of one text share (source, override reasons, links), and the drafts with slots
    for what a call says, are bytes that were built once, through the models of `cdshooks.models`;
    in an answer they are `msgspec.Raw`. What comes from a request passes the same checks of text as
    there. The tests put every answer through the whole models.

    `evidence_url` is the absolute address of the evidence pages (https, or http on this machine):
    the card, and each of its lines, links to its place there. Anything else is left out.
    `user_key` draws which variant of the words a user gets (None: the card's own). `spoken` is the
    major version of CDS Hooks: 3 has codes of its own for override reasons, 1 has no `any` among
    the ways of selection (CD-07).
    """

    def __init__(
        self,
        knowledge: Knowledge,
        *,
        evidence_url: str | None = None,
        spoken: int = 2,
        user_key: bytes | None = None,
    ) -> None:
        self.knowledge = knowledge
        self._spoken = spoken
        self._user_key = user_key
        self._page = _page(evidence_url)
        self._reasons = partial(standard, knowledge=knowledge) if spoken >= 3 else own
        self._frames: dict[str, _Frame] = {}

    def prepare(self) -> None:
        """Build what is shared for all card texts now; else it is built when first needed.

        Raises ValueError for content that could not be sent.
        """
        self.knowledge.once(PreparedOrders)
        for text in self.knowledge.cards.values():
            self._frame(text)

    def _frame(self, text: CardText) -> _Frame:
        frame = self._frames.get(text.id)
        if frame is None:
            source = Raw(to_bytes(_source(text, self.knowledge, self._page)))
            shared = _shared(text, self.knowledge, self._page, self._reasons)
            titles = line_links.titles(text.id, self._page)
            frame = self._frames[text.id] = _Frame(source, shared, titles)
        return frame

    def compose(
        self,
        assessment: Assessment,
        chart: Chart,
        encounter: str | None = None,
        requester: str | None = None,
        client: str = "",
    ) -> Json:
        """The answer to one call.

        `encounter` is `context.encounterId` and `requester` `context.userId` as the client sent
        them; what is no plain reference is left out. `client` is its name. Drafts are in
        `chart.release`.
        Nothing assessed gives exactly `{"cards": []}` (CDS Hooks 2.0, "CDS Service Response");
        silence about an order that was looked at carries its trace, and so does an answer that
        passes over something, or holds codes that cannot be read. Raises ValueError where a card
        would break a rule of the wire.
        """
        passed_over = assessment.foreign or assessment.skipped or assessment.not_understood
        if not (assessment.guidances or passed_over):
            return {"cards": []}
        told: Json = {"cards": [], "extension": {trace.NAME: trace.of_response(assessment)}}
        if not (spoken := assessment.spoken):
            return told
        who = Requester(
            subject=f"Patient/{chart.patient.id}",
            encounter=_encounter(encounter),
            requester=requester if requester and _USER.fullmatch(requester) else None,
            release=chart.release,
        )
        draw = None
        if self._user_key and requester and self.knowledge.variants:
            draw = Draw(self.knowledge, self._user_key, client, requester)
        told["cards"] = [self._card(each, assessment, chart, who, draw) for each in spoken]
        return told

    def _card(
        self,
        guidance: Guidance,
        assessment: Assessment,
        chart: Chart,
        who: Requester,
        draw: Draw | None,
    ) -> Json:
        text = self.knowledge.cards[cast(str, guidance.card)]
        if guidance.indicator not in _INDICATORS:
            raise ValueError("a card is info, warning or critical")
        frame = self._frame(text)
        suggestions = suggest(guidance, text, chart, self.knowledge, who, assessment.drafted)
        chosen = "at-most-one" if self._spoken < 2 else behavior(text)
        offered = {"suggestions": suggestions, "selectionBehavior": chosen} if suggestions else {}
        told = trace.of_card(guidance, assessment)
        if draw is not None:
            text, variant = draw.words(text, guidance)
            told |= {"variant": variant} if variant else {}
        return {
            "uuid": new_uuid(),
            "summary": checked_summary(summary(guidance, text)),
            "detail": detail.render(guidance, text, self.knowledge, frame.titles),
            "indicator": guidance.indicator,
            "source": frame.source,
            **offered,
            **frame.shared,
            "extension": {trace.NAME: told},
        }


def _source(text: CardText, knowledge: Knowledge, page: str | None) -> Source:
    return Source(
        label=f"{knowledge.meta.title}, {knowledge.version}",
        url=_page_of(text, page),
        topic=Coding(system=CARD_TOPICS, code=topic_code(text.topic)),
    )


def _shared(
    text: CardText,
    knowledge: Knowledge,
    page: str | None,
    coded: Callable[[Iterable[ReasonText]], tuple[OverrideReason, ...]],
) -> Mapping[str, Raw]:
    """Override reasons and links, as far as the text has any."""
    reasons = coded(knowledge.override_reasons[reason] for reason in text.override)
    named = {"overrideReasons": reasons, "links": _links(text, knowledge, page)}
    return {name: Raw(encode(list(map(to_json, of)))) for name, of in named.items() if of}


def _links(text: CardText, knowledge: Knowledge, page: str | None) -> tuple[Link, ...]:
    links = [(link.label, link.url) for link in knowledge.links.values() if text.id in link.cards]
    if (address := _page_of(text, page)) is not None:
        links.append((_EVIDENCE_LINK, address))
    return tuple(Link(label=label, url=url, type="absolute") for label, url in links)


def _page_of(text: CardText, page: str | None) -> str | None:
    """The page of a card; the page as it stands where it is none of ours."""
    ours = page is not None and line_links.has_places(page)
    return f"{page}{evidence_places.of_card(text.id)}" if ours else page


def _page(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    local = parts.scheme == "http" and is_loopback_host(parts.hostname)
    return url if parts.hostname and (parts.scheme == "https" or local) else None


def _encounter(said: str | None) -> str | None:
    """`Encounter/x` of either `x` or `Encounter/x`; clients send both."""
    bare = (said or "").removeprefix("Encounter/")
    return f"Encounter/{bare}" if _ID.fullmatch(bare) else None
