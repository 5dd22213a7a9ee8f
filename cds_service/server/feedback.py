"""Takes feedback: read, within the quota of its client, and stored before it is acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import msgspec
from fastapi import Request

from cds_service.cdshooks import bounds, feedback
from cds_service.cdshooks.feedback import FeedbackRead
from cds_service.errors import TooMany, UnsupportedBody
from cds_service.ops import calls, log, metrics
from cds_service.ops.pace import Pace
from cds_service.server.in_force import InForce
from cds_service.trust import access
from cds_service.trust.tokens import Caller

_HOUR = 3600


class Feedback:
    """What clinicians did with cards, on its way into the store."""

    def __init__(self, in_force: InForce) -> None:
        self._runtime = in_force.runtime
        self._in_force = in_force
        self._pace = Pace()

    async def take(self, body: bytes, service: str, caller: Caller) -> bytes:
        """Store the items of a body, and acknowledge them after COMMIT (FB-01 to FB-08).

        Raises a RequestError, and then stores nothing that is acknowledged.
        """
        client = access.client_id(caller)
        read = self.read(body, service, client)
        if read.items:
            mode: str = access.mode_of(caller.client, self._runtime.switch.state)
            mode = calls.EXAMINATION if calls.current().examined else mode
            items = [replace(item, mode=mode) for item in read.items]
            with calls.stage("store"), self._quota(client, len(items)):
                await self._runtime.store.save(items)
            await self._runtime.teller.heed(items, caller.client)
        return acknowledge(read)

    def read(self, body: bytes, service: str, client: str) -> FeedbackRead:
        """The items of a body as they would be stored. Raises BadRequest or TooLarge."""
        with calls.stage("parse"):
            bounds.check_body(body, self._runtime.settings)
            return feedback.read(
                body, service, client, self._runtime.clock(), self._in_force.reasons
            )

    @contextmanager
    def _quota(self, client: str, items: int) -> Iterator[None]:
        """Count the items, unless they could not be stored. Raises TooMany."""
        most = self._runtime.settings.feedback_per_hour
        if seconds := self._pace.take(client, most / _HOUR, most, items):
            metrics.client_refused.labels(client, "feedback").inc()
            raise TooMany(f"more than {most} items of feedback an hour of this client", seconds)
        try:
            yield
        except BaseException:  # given up, too: what is not acknowledged does not count
            self._pace.give_back(client, items)
            raise


def of(request: Request) -> Feedback:
    """What `create_app` put into the application."""
    found: Feedback = request.app.state.feedback
    return found


def check_media_type(request: Request) -> None:
    """Raise UnsupportedBody (415) for a body that does not call itself JSON.

    A page of another origin cannot send `application/json` without asking first (Fetch standard,
    "CORS-safelisted request-header"), and may send anything else.
    """
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said != "application/json" and not (
        said.startswith("application/") and said.endswith("+json")
    ):
        raise UnsupportedBody("must be application/json", "Content-Type")


def acknowledge(read: FeedbackRead) -> bytes:
    """What is answered: how many items were taken, which were refused, and what was unusual."""
    if read.refused or read.notes:
        places = [item.place for item in read.refused[: feedback.NOTES_SHOWN]]
        log.warn("feedback with unusual members", refused=places, notes=read.notes)
    return msgspec.json.encode(read.as_answer())
