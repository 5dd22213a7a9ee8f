"""The services that discovery lists: their ids, hooks, texts, and what each of them reads."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.cdshooks import models
from cds_service.clinical.chart import InputName
from cds_service.fhir.search import Queries

_READS = "Reads FHIR R4, R4B, R5, STU3 and DSTU2."


@dataclass(frozen=True, slots=True)
class HookService:
    """One entry of discovery that this service can answer.

    `inputs` are the prefetch keys it asks for; `needs_orders`: context.draftOrders is required.
    """

    id: str
    hook: str
    title: str
    description: str
    usage: str
    inputs: tuple[InputName, ...] = tuple(InputName)
    needs_orders: bool = True


SERVICES = (
    HookService(
        id="ho-order-sign",
        hook="order-sign",
        title="Heterotopic ossification: check before hip surgery",
        description=(
            "Looks at draft orders for hip arthroplasty, biopsy, excision and intramuscular "
            "injection. Warns when the chart holds fibrodysplasia ossificans progressiva or "
            "progressive osseous heteroplasia, and advises prophylaxis of heterotopic "
            "ossification when the risk is raised. No card means that no rule fired."
        ),
        usage=(
            f"{_READS} Needs the problem list (conditions) in prefetch or a FHIR server to read "
            "it from; a card names what else is missing for it."
        ),
    ),
    HookService(
        id="ho-order-select",
        hook="order-select",
        title="Heterotopic ossification: early check of hip surgery",
        description=(
            "Gives the guidance of ho-order-sign when an order is selected, while there is still "
            "time to plan radiotherapy before the operation. Only the selected orders are looked "
            "at; all other drafts are context. No card means that no rule fired."
        ),
        usage=(
            f"{_READS} Needs the problem list (conditions) in prefetch or a FHIR server to read "
            "it from; a card names what else is missing for it."
        ),
    ),
    HookService(
        id="ho-patient-view",
        hook="patient-view",
        title="Genetic heterotopic ossification: what to avoid",
        description=(
            "Shows one card when the chart holds fibrodysplasia ossificans progressiva or "
            "progressive osseous heteroplasia: what to avoid, and whom to ask. Nothing else is "
            "looked at. No card means that neither is on the problem list."
        ),
        usage=(
            f"{_READS} Needs the problem list (conditions) in prefetch or a FHIR server to read "
            "it from."
        ),
        inputs=(InputName.PATIENT, InputName.CONDITIONS),
        needs_orders=False,
    ),
)


def service_of(hook: str) -> HookService | None:
    """The service of a hook; None when no service answers it."""
    return next((service for service in SERVICES if service.hook == hook), None)


def describe(queries: Queries, version: str | None = None) -> models.Discovery:
    """Describe every service with its prefetch templates (CDS Hooks 2.0 "Discovery").

    `version` is that of CDS Hooks, a member of 3.0 that 2.0 does not have (DS-10).
    """
    return models.Discovery(
        services=tuple(
            models.Service(
                hook=service.hook,
                title=service.title,
                description=service.description,
                id=service.id,
                prefetch=queries.templates(service.inputs),
                usage_requirements=service.usage,
                version=version,
            )
            for service in SERVICES
        )
    )
