"""Answers the playground's requests once, so that the first real call does not wait for tables
that are made at their first use."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from cds_service import hooks
from cds_service.errors import RequestError
from cds_service.server.pages.samples import Samples
from cds_service.trust.tokens import ANONYMOUS


def warm(runtime: hooks.Runtime) -> None:
    """Takes some tenths of a second of a thread that runs no event loop; nothing is kept."""
    alone = runtime.alone()
    for request in Samples().requests(runtime.today):
        with suppress(RequestError):  # one of them shows a refusal
            asyncio.run(hooks.consult(None, request, ANONYMOUS, alone))
