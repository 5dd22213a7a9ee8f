"""The orders that cards draft, as ActivityDefinitions: courses, stomach protection, referrals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cds_service.knowledge.dosages import dosage
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.namespaces import REFERRAL_SYSTEM
from cds_service.knowledge.published.common import OWN_LICENCE, Resource, citations, head
from cds_service.knowledge.schema import DoseForm, Referral, Regimen, Rule


def activity_definitions(knowledge: Knowledge) -> Mapping[str, Resource]:
    """Every draft by the id of its regimen, protection or referral; for `Knowledge.once`.

    A regimen that is switched off has none.
    """
    made = [_course_of(one, knowledge) for one in knowledge.regimens.values() if one.enabled]
    if knowledge.protection.enabled:
        made += _protections(knowledge)
    made += [_referral(one, knowledge) for one in knowledge.referrals.values()]
    return {one["id"]: one for one in made}


def protection_id(knowledge: Knowledge, days: int) -> str:
    """The draft of the stomach protection that goes with a course of so many days."""
    protection = knowledge.protection
    same = days == protection.course.days
    return protection.id if same else f"{protection.id}-{days}-days"


def _protections(knowledge: Knowledge) -> Iterable[Resource]:
    """One for each length of a course: the stomach is protected for as long as that lasts."""
    rule = knowledge.protection
    for days in dict.fromkeys(r.course.days for r in knowledge.regimens.values() if r.enabled):
        whole = _medicine(rule, rule.course, knowledge, None, days)
        named = head("ActivityDefinition", protection_id(knowledge, days), "", knowledge)
        title = f"{rule.label}: {days} days"
        yield {**whole, **{n: named[n] for n in ("id", "url", "name")}, "title": title}


def _course_of(regimen: Regimen, knowledge: Knowledge) -> Resource:
    course = regimen.course
    return _medicine(regimen, course, knowledge, regimen.off_label, course.days)


def _medicine(
    rule: Rule, course: DoseForm, knowledge: Knowledge, off_label: str | None, days: int
) -> Resource:
    coding = {"system": course.system, "code": course.code, "display": course.display}
    made = {
        **head("ActivityDefinition", rule.id, rule.label, knowledge),
        "description": rule.statement,
        "copyright": OWN_LICENCE,
        "relatedArtifact": citations(knowledge, (rule,)),
        "kind": "MedicationRequest",
        "intent": "order",
        "productCodeableConcept": {"coding": [coding], "text": course.display},
        "dosage": [dosage(course, days)],
    }
    if off_label is not None:
        made["usage"] = off_label
    return {name: value for name, value in made.items() if value}


def _referral(referral: Referral, knowledge: Knowledge) -> Resource:
    coding = {"system": REFERRAL_SYSTEM, "code": referral.id, "display": referral.label}
    made = {
        **head("ActivityDefinition", referral.id, referral.label, knowledge),
        "description": f"{referral.text}. {referral.note}",
        "copyright": OWN_LICENCE,
        "kind": "ServiceRequest",
        "intent": "order",
        "code": {"coding": [coding], "text": referral.text},
    }
    if referral.performer is not None:
        include = knowledge.value_sets[referral.performer]["compose"]["include"][0]
        concept = include["concept"][0]
        who = {"system": include["system"], "code": concept["code"], "display": concept["display"]}
        made["participant"] = [{"type": "practitioner", "role": {"coding": [who]}}]
    return made
