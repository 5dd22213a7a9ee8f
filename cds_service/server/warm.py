"""Answers some requests once, so that the first real call does not wait for tables that are made at
their first use."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from cds_service import hooks
from cds_service.errors import RequestError
from cds_service.knowledge.services import served
from cds_service.server.pages.samples import Samples
from cds_service.trust.tokens import ANONYMOUS

# The playground shows nothing that is harmless for everybody, which is what most orders are.
_LABORATORY: Final = b"""{
  "hook": "order-sign", "hookInstance": "2e9a7d0c-51f4-4f0b-9c63-8f3b1d6a7e05",
  "context": {"userId": "Practitioner/1", "patientId": "1", "draftOrders": {
    "resourceType": "Bundle", "type": "collection", "entry": [{"resource": {
      "resourceType": "ServiceRequest", "status": "draft", "intent": "order",
      "subject": {"reference": "Patient/1"},
      "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}], "text": "Hemoglobin"}
    }}]}},
  "prefetch": {}
}"""


def warm(runtime: hooks.Runtime) -> None:
    """Takes some tenths of a second of a thread that runs no event loop; nothing is kept."""
    alone = runtime.alone()
    served(alone.knowledge)
    for request in (_LABORATORY, *Samples().requests(runtime.today)):
        with suppress(RequestError):  # one of them shows a refusal
            asyncio.run(hooks.consult(None, request, ANONYMOUS, alone))
