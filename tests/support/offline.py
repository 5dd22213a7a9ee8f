"""Answers without HTTP, by the same line as over it."""

from __future__ import annotations

import asyncio
from datetime import date

from cds_service import hooks
from cds_service.cdshooks import models
from cds_service.knowledge.loader import Knowledge
from cds_service.trust.tokens import ANONYMOUS


def answer(call: bytes, knowledge: Knowledge, today: date) -> bytes:
    """The bytes that answer a call, by the service of its hook. Raises a RequestError."""
    runtime = hooks.offline(knowledge, today)
    return models.encode(asyncio.run(hooks.consult(None, call, ANONYMOUS, runtime)).answer)
