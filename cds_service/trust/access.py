"""Stands before the CDS Hooks endpoints: nobody gets to a handler without being let in.

The checks sit in front of the routes, not in each handler, so that none can be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib import import_module
from typing import TypeAlias
from zoneinfo import ZoneInfo

from starlette.types import Scope

from cds_service.clinical.days import Days
from cds_service.errors import SettingsError, Unauthorized, Unavailable
from cds_service.ops import calls, log, metrics
from cds_service.ops.quota import Quota
from cds_service.ops.settings import Settings
from cds_service.ops.switch import Known, Switch
from cds_service.ops.timezones import day_in
from cds_service.trust.clients import Client, ClientFile, Names, Registry
from cds_service.trust.jwks import KeyRing
from cds_service.trust.outgoing import Outgoing
from cds_service.trust.replay import SeenInMemory, SeenTokens
from cds_service.trust.rollout import ALL_LIVE, Exposure, Mode
from cds_service.trust.tokens import ANONYMOUS, Caller, Gate

ROOT = "/cds-services"
_FEEDBACK = "/feedback"
_OPEN_METHODS = frozenset({"OPTIONS"})
_CALLER = "cds_caller"
ADMITTED = "cds_service.admitted"
"""Member of the `scope` of a request that `Access.admit_at_once` has looked at: what it gave."""
Admitted: TypeAlias = Caller | Unauthorized | None
_ACCEPTED = "token accepted"


@dataclass(frozen=True, slots=True)
class Trust:
    """Everything about who calls and what may be called, built once for an application."""

    clients: ClientFile
    ring: KeyRing
    outgoing: Outgoing
    gate: Gate
    seen: SeenTokens


def build_trust(
    settings: Settings,
    clock: Callable[[], datetime],
    seen: SeenTokens,
    names: Names | None = None,
) -> Trust:
    """Read the registry, whose clients may name what `names` holds, and put the parts together.

    Raises ClientsError for a broken registry, SettingsError for registered clients without a
    public URL: their tokens could not be checked.
    """
    clients = ClientFile(settings.clients, names)
    if clients.registry and settings.public_url is None:
        raise SettingsError(
            "CDS_PUBLIC_URL is needed with CDS_CLIENTS: the base URL by which EHRs call this "
            "service, for example https://cds.example.org; their tokens must name it in `aud`"
        )
    if clients.registry and settings.remembers_in_database and isinstance(seen, SeenInMemory):
        raise SettingsError(
            "CDS_DATABASE_URL=none: several workers need a database to remember used tokens; "
            "name one, or set CDS_REPLAY=memory to let each worker remember its own"
        )
    outgoing = Outgoing(
        ca_file=settings.ca_file,
        anonymous_servers=settings.fhir_servers,
    )
    ring = KeyRing(outgoing)
    gate = Gate(clients, ring, seen, clock, anonymous=admits_anonymous(settings))
    log.audit(
        "clients in force",
        clients=[client.id for client in clients.registry.clients],
        version=clients.registry.version,
        anonymous=gate.anonymous,
        **_left_out(clients),
        **_modes(clients.registry),
    )
    return Trust(clients, ring, outgoing, gate, seen)


def trust_nobody(clock: Callable[[], datetime]) -> Trust:
    """For answers outside of a service: nobody is registered, and nothing may be called."""
    clients, outgoing = ClientFile(None), Outgoing()
    ring, seen = KeyRing(outgoing), SeenInMemory(clock)
    gate = Gate(clients, ring, seen, clock, anonymous=False)
    return Trust(clients, ring, outgoing, gate, seen)


def load_libraries(settings: Settings) -> None:
    """Import what registered clients need, at the start: the first call should not wait for it.

    Who runs the service for itself does without, and starts sooner and smaller.
    """
    if settings.clients is not None or settings.fhir_servers:
        for name in (
            "cds_service.trust.transport",
            "jwt",
            "cryptography.hazmat.primitives.asymmetric.rsa",
        ):
            import_module(name)


def admits_anonymous(settings: Settings) -> bool:
    """Whether a call without a token is answered: on this machine without registry, or by wish.

    A public URL says that a proxy stands before the service: then it is not on its own.
    """
    return settings.allow_anonymous or (settings.is_alone and settings.clients is None)


def _left_out(clients: ClientFile) -> dict[str, object]:
    """Positions of keys in the file that cannot be used, by client; nothing where all can."""
    keys = clients.registry.keys.items()
    unused = {name: key_set.left_out for name, key_set in keys if key_set.left_out}
    return {"keys_left_out": unused} if unused else {}


def _modes(registry: Registry) -> dict[str, object]:
    """What is not simply live, and for how long answers are kept, by client; nothing where all
    is live and none are."""
    modes = {client.id: said for client in registry.clients if (said := client.said())}
    days = {client.id: client.repeat_days for client in registry.clients if client.repeat_days}
    told = {"modes": modes, "repeat_days": days}
    return {name: found for name, found in told.items() if found}


def refuse_open_door(settings: Settings) -> None:
    """Raise SettingsError when others could reach the service and nobody could be told apart."""
    if settings.clients is None and not admits_anonymous(settings):
        raise SettingsError(
            f"refusing to serve {settings.public_url or settings.host} without registered EHR "
            "clients: anybody who reaches it could call.\n"
            "  Register them in a file and name it in CDS_CLIENTS (see clients.example.toml), or\n"
            "  listen on this machine only with --host 127.0.0.1, or\n"
            "  use --allow-anonymous for a demo without patient data."
        )


def reload(trust: Trust) -> None:
    """Read the registry again (SIGHUP) and say in the log what came of it."""
    if trust.clients.reload():
        registry = trust.clients.registry
        log.audit(
            "clients reloaded",
            clients=[client.id for client in registry.clients],
            version=registry.version,
            **_modes(registry),
        )
    else:
        log.warn(
            "clients NOT reloaded: the file is broken, the old registry stays in force",
            problem=trust.clients.problem,
            version=trust.clients.registry.version,
        )


def caller_of(scope: Scope) -> Caller:
    """Who makes this call. Raises Unauthorized where nobody was let in."""
    caller = scope.get(_CALLER)
    if not isinstance(caller, Caller):
        raise Unauthorized("this endpoint is not guarded")
    return caller


def client_of(scope: Scope) -> Client | None:
    """The registered client that makes this call; None when it is anonymous."""
    return caller_of(scope).client


def client_id(caller: Caller) -> str:
    """Name of the caller in logs, figures and the store."""
    return caller.client.id if caller.client else "anonymous"


class Access:
    """Asks everybody who calls below /cds-services for a token, before the body is read."""

    def __init__(self, trust: Trust, settings: Settings) -> None:
        self._gate = trust.gate
        self._base = (settings.public_url or "").rstrip("/")
        self._open_discovery = not settings.discovery_auth
        self._strict = settings.audit == "strict"
        self._refusals = Quota(log.refusals_held_back)

    async def admit(self, scope: Scope) -> Client | None:
        """Put who calls into the scope; the registered client, if it is one. Raises Unauthorized,
        Overloaded or Unavailable."""
        if not self._is_guarded(scope):
            return None
        found = scope.get(ADMITTED)
        given = [v.decode("latin-1") for k, v in scope["headers"] if k == b"authorization"]
        try:
            if isinstance(found, Unauthorized):
                raise found
            caller = found or await self._gate.admit(given, tuple(self._endpoints(scope["path"])))
        except Unauthorized as error:
            metrics.refused.labels(error.reason.partition(":")[0]).inc()
            log.refused(error.reason, error.claims, error.mismatch, self._refusals)
            raise
        scope[_CALLER] = caller
        calls.current().client = client_id(caller)
        if caller.client:
            await self._note(caller.client, caller.claims or {})
        return caller.client

    def admit_at_once(self, authorization: Sequence[str], path: str) -> Admitted:
        """Who calls a service, or why nobody is let in; None where that has to be waited for.

        `admit` of the same call wants it as `ADMITTED`, or `let_in` has to be told: a token is good
        for one look. Raises Overloaded.
        """
        if self._gate.anonymous and not authorization:
            return ANONYMOUS
        if self._strict:
            return None
        try:
            return self._gate.admit_at_once(authorization, tuple(self._endpoints(path)))
        except Unauthorized as error:
            return error

    def let_in(self, caller: Caller) -> None:
        """Write into the log who gets an answer at once."""
        calls.current().client = client_id(caller)
        if caller.client:
            log.audit(_ACCEPTED, client=caller.client.id, **(caller.claims or {}))

    async def send_away(self, scope: Scope) -> None:
        """Give back the token of a call that is sent away unanswered: whoever was asked to try
        again later may do so with it."""
        caller = scope.get(_CALLER)
        if isinstance(caller, Caller):
            await self._gate.give_back(caller)

    async def _note(self, client: Client, claims: Mapping[str, str]) -> None:
        """Write who was let in. Raises Unavailable where it has to be written and cannot be."""
        if not self._strict:
            log.audit(_ACCEPTED, client=client.id, **claims)
        elif not await log.audit_surely(_ACCEPTED, client=client.id, **claims):
            raise Unavailable("the audit log cannot be written, and no call is answered without it")

    def _is_guarded(self, scope: Scope) -> bool:
        path, method = scope["path"], scope["method"]
        if method in _OPEN_METHODS or not path.startswith(ROOT):
            return False
        if path.rstrip("/") == ROOT and method in {"GET", "HEAD"}:
            return not self._open_discovery
        return True

    def _endpoints(self, path: str) -> Iterator[str]:
        """URLs that a token for this path may be meant for; FB-07 for feedback."""
        yield self._base + path
        if path.endswith(_FEEDBACK):
            yield self._base + path.removesuffix(_FEEDBACK)


def zone_of(client: Client | None, settings: Settings) -> str | None:
    """The time zone of the hospital that calls: its own, else that of the settings."""
    return (client and client.timezone) or settings.timezone


def today_of(client: Client | None, settings: Settings, now: datetime) -> date:
    """The day of the hospital that calls; in UTC where its zone is not known."""
    return day_in(zone_of(client, settings), now)


def days_of(client: Client | None, settings: Settings, now: datetime) -> Days:
    """The day of the hospital that calls; all that it can be where its zone is not known."""
    zone = zone_of(client, settings)
    return Days.at(now, ZoneInfo(zone) if zone else None)


def mode_of(client: Client | None, state: Known) -> Mode:
    """The mode of a caller's client: off while the service is switched off."""
    if state == "off":
        return "off"
    return client.mode if client is not None else "live"


def is_off(client: Client | None, switch: Switch) -> bool:
    """Whether calls get an empty list at once. Raises Unavailable where nobody knows."""
    state = switch.state  # a look at a file
    if mode_of(client, state) == "off":
        return True
    if state == "unknown":
        why = "whether this service is switched off cannot be read; the order was not checked"
        raise Unavailable(why)
    return False


def exposure_of(
    client: Client | None, user: str | None, extension: object, settings: Settings
) -> Exposure:
    """How the cards of one call stand: `user` is its `context.userId`, `extension` its own,
    undecoded."""
    if client is None or client.is_plain:
        return ALL_LIVE
    key = settings.user_key.get_secret_value().encode() if settings.user_key else b""
    return Exposure(client, client.picks(client.id, user, extension, key))
