"""Drafts from templates are, to the byte, those of the plain way: for the cards of every case."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cds_service import hooks
from cds_service.cards.compose import Composer
from cds_service.cards.prepared_orders import PreparedOrders, slots_of
from cds_service.cards.suggested_orders import RELEASES, DraftContext, courses, service_request
from cds_service.cdshooks import models
from cds_service.errors import RequestError
from cds_service.knowledge.loader import Knowledge
from cds_service.trust.tokens import ANONYMOUS
from tests.support.builders import request
from tests.support.casebook import load_all
from tests.support.shorthand import TODAY

USERS: tuple[dict[str, str], ...] = ({}, {"encounter": "e-1"}, {"requester": "Practitioner/d1"}, {
    "encounter": "Encounter/e-1", "requester": "PractitionerRole/d1"
})  # fmt: skip
HOSTILE = 'Hüft-"TEP" %(subject)b %s {note} \\ slot:reason </script>'


@dataclass(frozen=True)
class Consulted:
    """What was decided of a case."""

    id: str
    consultation: hooks.Consultation

    def drafts(self, knowledge: Knowledge, release: str, who: dict[str, str]) -> list[bytes]:
        """The drafts of all cards, as they go out."""
        found = self.consultation
        chart = replace(found.chart, release=release)
        answer = Composer(knowledge).compose(found.assessment, chart, **who)
        return list(_drafts(answer))


def _drafts(answer: dict[str, Any]) -> Iterator[bytes]:
    for card in answer["cards"]:
        for suggestion in card.get("suggestions", ()):
            for action in suggestion["actions"]:
                if "resource" in action:
                    yield bytes(action["resource"])


@pytest.fixture(scope="module")
def consulted(knowledge: Knowledge) -> list[Consulted]:
    """Every case of the casebook that is answered with a draft."""
    runtime, found = hooks.offline(knowledge, TODAY), []
    for case in load_all():
        call = json.dumps(request(case.description)).encode()
        try:
            one = Consulted(case.id, asyncio.run(hooks.consult(None, call, ANONYMOUS, runtime)))
        except RequestError:
            continue
        if one.drafts(knowledge, "R4", {}):
            found.append(one)
    return found


@pytest.mark.parametrize("release", [*RELEASES, "R4B"])
def test_both_ways_give_the_same_bytes(
    consulted: list[Consulted], release: str, knowledge: Knowledge
) -> None:
    assert len(consulted) > 200
    for one in consulted:
        for who in USERS:
            known = map(json.loads, one.drafts(knowledge, "R4", who))
            plain = [models.encode(_again(draft, release, knowledge)) for draft in known]
            assert one.drafts(knowledge, release, who) == plain, one.id


def _again(draft: dict[str, Any], release: str, knowledge: Knowledge) -> dict[str, Any]:
    """A draft of R4, made in the plain way for a release of what it says."""
    context = DraftContext(
        draft["subject"]["reference"],
        draft["reasonCode"][0]["text"],
        draft.get("encounter", {}).get("reference"),
        draft.get("requester", {}).get("reference"),
        draft.get("bodySite", [{}])[0].get("text"),
        release,
    )
    if draft["resourceType"] == "MedicationRequest":
        code = draft["medicationCodeableConcept"]["coding"][0]["code"]
        days = draft["dispenseRequest"]["expectedSupplyDuration"]["value"]
        [course] = {
            (one.form.code, one.days, one.notes): one
            for one in courses(knowledge).values()
            if (one.form.code, one.days) == (code, days)
        }.values()
        return course.draft(context)
    referral = knowledge.referrals[draft["code"]["coding"][0]["code"]]
    note = draft["note"][0]["text"]
    assert note.endswith(referral.note)
    return service_request(referral, knowledge, context, note.removesuffix(referral.note).strip())


@pytest.mark.parametrize("release", RELEASES)
def test_what_a_request_says_is_no_template(release: str, knowledge: Knowledge) -> None:
    context = DraftContext(f"Patient/{HOSTILE}", HOSTILE, HOSTILE, HOSTILE, HOSTILE, release)
    slots = slots_of(*(getattr(context, name) for name in context.__slots__))
    prepared = PreparedOrders(knowledge)
    for (id_, days), course in courses(knowledge).items():
        made = bytes(prepared.medicine(id_, days, slots))
        assert made == models.encode(course.draft(context))
    for referral in knowledge.referrals.values():
        made = bytes(prepared.referral(referral.id, slots, HOSTILE))
        assert made == models.encode(service_request(referral, knowledge, context, HOSTILE))


def test_content_of_which_no_action_can_be_made_is_refused_at_load(knowledge: Knowledge) -> None:
    course = knowledge.protection.course.model_copy(update={"display": " "})
    protection = knowledge.protection.model_copy(update={"course": course})
    broken = replace(knowledge, protection=protection)
    with pytest.raises(ValueError, match="must not hold null, blank or empty members"):
        Composer(broken).prepare()
