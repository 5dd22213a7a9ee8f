"""Turns an assessment into the CDS Hooks answer: cards, suggestions, override reasons, trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import urlsplit

from cds_service import anchors, detail, trace
from cds_service.assessment import Assessment, Guidance
from cds_service.chart import Chart
from cds_service.markdown import fill_plain, shorten, units
from cds_service.override_codes import own, standard
from cds_service.suggestions import Requester, behavior, suggest
from cds_service.wire import (
    SUMMARY_LIMIT,
    Card,
    CDSResponse,
    Coding,
    Link,
    OverrideReason,
    Source,
)

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import CardText
    from cds_service.knowledge.schema import OverrideReason as Reason

TOPICS = "https://ho-cds.example.org/fhir/CodeSystem/card-topic"
"""Code system of `source.topic`. EHRs keep overrides by it, so its codes never change."""

_USER = re.compile(
    r"(?:Practitioner|PractitionerRole|Patient|RelatedPerson|Organization|Device)/[A-Za-z0-9._-]+"
)
_ID = re.compile(r"[A-Za-z0-9._-]+")
_EVIDENCE_LINK = "Evidence behind this card"
# The order's name gives way first: the finding is what a clinician cannot see from the order.
_ORDER_UNITS = (60, 40, 24)


@dataclass(frozen=True, slots=True)
class _Style:
    """What all cards of an answer share: the evidence page, and how override reasons are coded."""

    page: str | None
    reasons: Callable[[Iterable[Reason]], tuple[OverrideReason, ...]]


def build(
    assessment: Assessment,
    chart: Chart,
    knowledge: Knowledge,
    *,
    evidence_url: str | None = None,
    encounter: str | None = None,
    requester: str | None = None,
    standard_reasons: bool = False,
) -> CDSResponse:
    """The answer to one call.

    `evidence_url` is the absolute address of the evidence page (https, or http on this machine);
    anything else is left out. `encounter` is `context.encounterId` and `requester`
    `context.userId` as the client sent them; what is no plain reference is left out. Drafts are
    in `chart.release`. `standard_reasons`: override reasons in the codes of CDS Hooks 3.0.
    Nothing assessed gives exactly `{"cards": []}` (CDS Hooks 2.0, "CDS Service Response");
    silence about an order that was looked at carries its trace.
    """
    if not assessment.guidances:
        return CDSResponse()
    who = Requester(
        subject=f"Patient/{chart.patient.id}",
        encounter=_encounter(encounter),
        requester=requester if requester and _USER.fullmatch(requester) else None,
        release=chart.release,
    )
    style = _Style(_page(evidence_url), standard if standard_reasons else own)
    cards = tuple(
        _card(guidance, assessment, chart, knowledge, who, style) for guidance in assessment.spoken
    )
    return CDSResponse(cards=cards, extension={trace.NAME: trace.of_response(assessment)})


def _card(
    guidance: Guidance,
    assessment: Assessment,
    chart: Chart,
    knowledge: Knowledge,
    who: Requester,
    style: _Style,
) -> Card:
    text = knowledge.cards[cast(str, guidance.card)]
    suggestions = suggest(guidance, text, chart, knowledge, who)
    return Card(
        summary=summary(guidance, text),
        detail=detail.render(guidance, text, knowledge),
        indicator=cast(Literal["info", "warning", "critical"], guidance.indicator),
        source=_source(text, knowledge, style.page),
        suggestions=suggestions or None,
        selection_behavior=behavior(text) if suggestions else None,
        override_reasons=_override_reasons(text, knowledge, style) or None,
        links=_links(text, knowledge, style.page) or None,
        extension={trace.NAME: trace.of_card(guidance, assessment)},
    )


def summary(guidance: Guidance, text: CardText) -> str:
    """One plain line of fewer than 140 UTF-16 units that names finding and order (CD-02, MD-06)."""
    values = dict(guidance.params)
    line = fill_plain(text.summary, values)
    for width in _ORDER_UNITS:
        if units(line) < SUMMARY_LIMIT:
            break
        values["order"] = shorten(values.get("order", ""), width)
        line = fill_plain(text.summary, values)
    return shorten(line, SUMMARY_LIMIT - 1)


def _source(text: CardText, knowledge: Knowledge, page: str | None) -> Source:
    return Source(
        label=f"{knowledge.meta.title}, {knowledge.version}",
        url=page,
        topic=Coding(system=TOPICS, code=_topic_code(text.topic)),
    )


def _topic_code(topic: str) -> str:
    """`ho-prophylaxis` as `hoProphylaxis`: Epic takes letters and digits only."""
    first, *rest = topic.split("-")
    return first + "".join(word.capitalize() for word in rest)


def _override_reasons(
    text: CardText, knowledge: Knowledge, style: _Style
) -> tuple[OverrideReason, ...]:
    return style.reasons(knowledge.override_reasons[reason] for reason in text.override)


def _links(text: CardText, knowledge: Knowledge, page: str | None) -> tuple[Link, ...]:
    links = [(link.label, link.url) for link in knowledge.links.values() if text.id in link.cards]
    if page is not None and "#" not in page:
        links.append((_EVIDENCE_LINK, f"{page}#{anchors.of_card(text.id)}"))
    return tuple(Link(label=label, url=url, type="absolute") for label, url in links)


def _page(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"}
    return url if parts.hostname and (parts.scheme == "https" or local) else None


def _encounter(said: str | None) -> str | None:
    """`Encounter/x` of either `x` or `Encounter/x`; clients send both."""
    bare = (said or "").removeprefix("Encounter/")
    return f"Encounter/{bare}" if _ID.fullmatch(bare) else None
