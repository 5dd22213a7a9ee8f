"""The orders that cards draft, as ActivityDefinitions: courses, stomach protection, referrals."""

from __future__ import annotations

from collections.abc import Mapping

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
        one = knowledge.protection
        made.append(_medicine(one, one.course, knowledge, None))
    made += [_referral(one, knowledge) for one in knowledge.referrals.values()]
    return {one["id"]: one for one in made}


def _course_of(regimen: Regimen, knowledge: Knowledge) -> Resource:
    return _medicine(regimen, regimen.course, knowledge, regimen.off_label)


def _medicine(
    rule: Rule, course: DoseForm, knowledge: Knowledge, off_label: str | None
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
        "dosage": [dosage(course, course.days)],
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
