"""What `GET /cds-services` answers."""

from __future__ import annotations

from cds_service.cdshooks import models
from cds_service.hooks import Runtime
from cds_service.knowledge.names import InputName


def describe(runtime: Runtime) -> models.Discovery:
    """Every service with its prefetch templates (CDS Hooks 2.0 "Discovery").

    `version` is that of CDS Hooks, a member of 3.0 that 2.0 does not have (DS-10).
    """
    return models.Discovery(
        services=tuple(
            models.Service(
                hook=service.hook,
                title=service.title,
                description=service.description,
                id=service.id,
                prefetch=runtime.queries.templates(InputName(name) for name in service.inputs),
                usage_requirements=service.usage,
                version=runtime.settings.spec_version,
            )
            for service in runtime.knowledge.services.values()
        )
    )
