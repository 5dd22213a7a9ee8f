"""Examples of calls for the description of the interface: invented patients, answered here."""

from __future__ import annotations

from functools import cache

from msgspec import Raw

from cds_service import hooks
from cds_service.cdshooks import models
from cds_service.cdshooks.request import hook_of
from cds_service.server.openapi import CallExample, Examples
from cds_service.server.pages.samples import Samples
from cds_service.trust.tokens import ANONYMOUS


@cache
def _samples() -> Samples:
    return Samples()


async def of(runtime: hooks.Runtime) -> Examples:
    """For each hook the first sample of the playground, and what it is answered today.

    Nothing is read from a FHIR server and nothing is stored for it.
    """
    first: dict[str, bytes] = {}
    for request in _samples().requests(runtime.today):
        first.setdefault(hook_of(request) or "", request)
    alone = runtime.alone()
    found: dict[str, CallExample] = {}
    for hook, request in first.items():
        told = await hooks.consult(None, request, ANONYMOUS, alone)
        found[hook] = CallExample(Raw(request), Raw(models.encode(told.answer)))
    return found
