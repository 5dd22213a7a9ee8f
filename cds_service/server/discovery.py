"""What `GET /cds-services` answers."""

from __future__ import annotations

from cds_service.cards import trace
from cds_service.cdshooks import models
from cds_service.cdshooks.published_hooks import PUBLISHED
from cds_service.hooks import Runtime
from cds_service.knowledge.names import InputName
from cds_service.knowledge.schema import HookService
from cds_service.knowledge.services import listed_id


def describe(runtime: Runtime) -> models.Discovery:
    """Every service with its prefetch templates (CDS Hooks 2.0 "Discovery").

    An id on several hooks is one service; its extension says what it was listed as before, on
    this hook. `version` and `hookVersion` are members of 3.0 that 2.0 does not have (DS-10, DS-11).
    """
    speaks_3, queries = runtime.settings.spoken >= 3, runtime.queries
    templates = queries.dated_templates if speaks_3 else queries.templates
    return models.Discovery(
        services=tuple(
            models.Service(
                hook=service.hook,
                title=service.title,
                description=service.description,
                id=listed_id(service),
                prefetch=templates(InputName(name) for name in service.inputs),
                usage_requirements=service.usage,
                version=runtime.settings.spec_version,
                hook_version=_hook_version(service.hook) if speaks_3 else None,
                extension=_earlier(service),
            )
            for service in runtime.knowledge.services.values()
        )
    )


def _hook_version(hook: str) -> str | None:
    published = PUBLISHED.get(hook)
    return published.version if published else None


def _earlier(service: HookService) -> models.Json | None:
    """The id under which this hook is answered, too, for EHRs that were set up with it."""
    if service.listed_as is None:
        return None
    return {trace.NAME: {"earlierId": service.id}}
