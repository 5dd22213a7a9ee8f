"""Fetches the JWK Sets of EHR clients and keeps them: with an age, rotation and few requests."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from cds_service.errors import NotSent
from cds_service.ops import log
from cds_service.trust.clients import Client, Registry
from cds_service.trust.keys import Key, KeysError, KeySet, read_keys
from cds_service.trust.outgoing import Outgoing

if TYPE_CHECKING:
    import httpx

FRESH_SECONDS = 300  # after this a set is fetched again, beside the calls that use it
STALE_SECONDS = 3600  # a set is used this long when its server does not answer
RETRY_SECONDS = 30  # an unknown kid or a failed fetch leads to one fetch in this time
TIMEOUT_SECONDS = 3.0
MAX_BYTES = 256 * 1024


class KeyFetchError(Exception):
    """A JWK Set could not be fetched. The message holds nothing of the answer."""


@dataclass
class _Remote:
    """What is known of one jku. Times are of the monotonic clock, in seconds."""

    keys: KeySet | None = None
    fetched: float = 0.0
    tried: float | None = None
    failure: str | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    refresh: asyncio.Task[None] | None = None

    def may_try(self) -> bool:
        """Whether the last try is long enough ago."""
        return self.tried is None or time.monotonic() - self.tried >= RETRY_SECONDS

    def age(self) -> float:
        """Seconds since the last good fetch."""
        return time.monotonic() - self.fetched

    def state(self) -> KeyState:
        """For operators."""
        return KeyState(None if self.keys is None else self.age(), self.failure)


@dataclass(frozen=True, slots=True)
class KeyState:
    """What is known of the fetched keys of a client. `age` in seconds since the last good fetch;
    None when there was none. `failure` says why the last try did not succeed."""

    age: float | None = None
    failure: str | None = None

    @property
    def word(self) -> str:
        """`fresh`; `old`: renewed beside the next call; `stale`: used although they cannot be
        renewed; `unusable`: calls are refused; `not fetched`: no call has needed them yet."""
        if self.failure is not None:
            return "stale" if self.age is not None and self.age <= STALE_SECONDS else "unusable"
        if self.age is None:
            return "not fetched"
        return "fresh" if self.age <= FRESH_SECONDS else "old"

    @property
    def problem(self) -> str | None:
        """What operators should know, to stand behind "keys of x"."""
        if self.failure is None:
            return None
        found = f"cannot be fetched ({self.failure})"
        if self.word == "unusable" or self.age is None:
            return f"{found}; its calls are refused"
        left = STALE_SECONDS - self.age
        return f"{found}; those of {self.age:.0f} s ago are used for {left:.0f} s more"


class KeyRing:
    """Finds the keys of a client: in the registry, or at its jku."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self._remotes: dict[str, _Remote] = {}

    async def find(
        self, registry: Registry, client: Client, kid: str, algorithm: str
    ) -> tuple[Key, ...]:
        """Keys of this client with this id that fit the algorithm.

        Only the jku of the registry is ever fetched, at most once in RETRY_SECONDS when the kid
        is unknown. Raises KeyFetchError when no set is at hand and none can be fetched.
        """
        if client.jku is None:
            return registry.keys[client.id].find(kid, algorithm)
        remote = self._remotes.setdefault(client.jku, _Remote())
        if remote.keys is None or kid not in remote.keys or remote.age() > STALE_SECONDS:
            async with remote.lock:  # many calls at once lead to one fetch
                if remote.may_try():
                    await self._fetch(remote, client, client.jku)
        elif remote.age() > FRESH_SECONDS and remote.may_try():
            remote.refresh = asyncio.create_task(self._fetch(remote, client, client.jku))
        if remote.keys is None or remote.age() > STALE_SECONDS:
            raise KeyFetchError(remote.failure or "no key set")
        return remote.keys.find(kid, algorithm)

    def at_hand(
        self, registry: Registry, client: Client, kid: str, algorithm: str
    ) -> tuple[Key, ...] | None:
        """The same where nothing has to be fetched, also beside the call; else None."""
        if client.jku is None:
            return registry.keys[client.id].find(kid, algorithm)
        remote = self._remotes.get(client.jku)
        if remote is None or remote.keys is None or kid not in remote.keys:
            return None
        return remote.keys.find(kid, algorithm) if remote.age() <= FRESH_SECONDS else None

    def states(self, registry: Registry) -> dict[str, KeyState]:
        """What is known of the keys of each client that has a jku."""
        return {
            client.id: self._remotes[client.jku].state()
            if client.jku in self._remotes
            else KeyState()
            for client in registry.clients
            if client.jku is not None
        }

    async def _fetch(self, remote: _Remote, client: Client, url: str) -> None:
        import httpx  # costs too much to load where no keys are fetched

        remote.tried = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                data = await _download(self._outgoing.client_for_keys(client), url)
            remote.keys = read_keys(data)
            if remote.keys.left_out:
                log.audit("keys left out", client=client.id, positions=remote.keys.left_out)
        except KeysError as error:
            remote.failure = f"the JWK Set {error}"
        except KeyFetchError as error:
            remote.failure = str(error)
        except NotSent as error:
            remote.failure = f"the server of the keys: {error.told}"
        except httpx.ConnectError as error:  # in our own words
            remote.failure = f"the server of the keys: {error}"
        except TimeoutError:
            remote.failure = "the server of the keys did not answer in time"
        except httpx.HTTPError as error:  # its message may hold a part of the answer
            remote.failure = f"the server of the keys cannot be reached ({type(error).__name__})"
        else:
            remote.fetched, remote.failure = time.monotonic(), None


async def _download(http: httpx.AsyncClient, url: str) -> bytes:
    async with http.stream("GET", url, headers={"Accept": "application/json"}) as answer:
        if answer.status_code != HTTPStatus.OK:
            raise KeyFetchError(f"the server of the keys answered {answer.status_code}")
        parts: list[bytes] = []
        size = 0
        async for part in answer.aiter_bytes():
            size += len(part)
            if size > MAX_BYTES:
                raise KeyFetchError(f"the JWK Set has more than {MAX_BYTES} bytes")
            parts.append(part)
    return b"".join(parts)
