"""Decides who is calling: checks the JSON Web Token of an EHR against the registry of clients.

The rules are those of CDS Hooks 2.0 "Trusting CDS Clients" and of its best practices: the token
is signed with a key of the registered client, meant for this very endpoint, short-lived, and used
once. Who fails learns nothing but that authentication is required.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from cds_service.errors import Unauthorized
from cds_service.trust.clients import Client, Registry
from cds_service.trust.jwks import KeyFetchError, KeyRing
from cds_service.trust.keys import ALGORITHMS, Key
from cds_service.trust.refusal import LOGGED_CHARS, at, mismatch, numeric_date, one_of, told
from cds_service.trust.replay import SeenTokens, Use

if TYPE_CHECKING:
    from jwt import PyJWS

LEEWAY_SECONDS = 60
LONGEST_LIFE_SECONDS = 3600
MAX_TOKEN_CHARS = 16 * 1024
_MAX_CLAIM_CHARS = 512


class HasRegistry(Protocol):
    """Whatever holds the registry that is in force now."""

    @property
    def registry(self) -> Registry: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who made this call. `client` is None for an anonymous one."""

    client: Client | None = None
    claims: Mapping[str, str] | None = None  # iss, kid, jti and tenant, for the audit log
    use: Use | None = None  # of its token


ANONYMOUS = Caller()


class Gate:
    """Lets callers in, or raises Unauthorized.

    `anonymous`: a call without a token is let in. Without registered clients tokens are then not
    looked at, because there is nobody to compare them with.
    """

    def __init__(
        self,
        clients: HasRegistry,
        ring: KeyRing,
        seen: SeenTokens,
        clock: Callable[[], datetime],
        *,
        anonymous: bool,
    ) -> None:
        self._clients = clients
        self._ring = ring
        self._seen = seen
        self._clock = clock
        self.anonymous = anonymous

    async def admit(self, authorization: Sequence[str], endpoints: Sequence[str]) -> Caller:
        """Who is calling, by the values of all Authorization headers.

        `endpoints` are the public URLs that the token may be meant for. Raises Unauthorized, and
        Overloaded or Unavailable when its token cannot be remembered.
        """
        registry = self._clients.registry
        absent = not authorization or list(authorization) == ["null"]  # what HL7's CRD client sends
        if self.anonymous and (absent or not registry):
            return ANONYMOUS
        token = _bearer(authorization)
        header, claims, signature = _read(token)
        shown = _shown(header, claims)
        try:
            client = _client_of(registry, claims)
            keys = await self._keys(registry, client, header)
            _verify(token, keys, header["alg"], signature)
            until = self._check_claims(client, claims, endpoints)
            use = await self._seen.first(client.iss, claims["jti"], until)
            if use is None:
                expected = "a jti that this issuer did not use within the life of the token"
                raise mismatch("the token was used before", "jti", told(claims["jti"]), expected)
        except Unauthorized as error:
            raise Unauthorized(error.reason, shown, error.mismatch) from None
        return Caller(client, shown, use)

    async def give_back(self, caller: Caller) -> None:
        """Let the token be used again: its call was sent away for reasons of our own."""
        if caller.use is not None:
            await self._seen.give_back(caller.use)

    async def _keys(
        self, registry: Registry, client: Client, header: Mapping[str, Any]
    ) -> tuple[Key, ...]:
        algorithm, kid, jku = header.get("alg"), header.get("kid"), header.get("jku")
        if not isinstance(algorithm, str) or algorithm not in client.algorithms:
            allowed = one_of(client.algorithms)
            raise mismatch("the algorithm is not allowed", "alg", told(algorithm), allowed)
        if "crit" in header or "b64" in header:
            raise Unauthorized("the header asks for an extension")
        if "typ" in header and str(header["typ"]).upper() != "JWT":
            raise mismatch("the token is of another type", "typ", told(header["typ"]), '"JWT"')
        if not isinstance(kid, str) or not 0 < len(kid) <= _MAX_CLAIM_CHARS:
            raise mismatch("kid is missing", "kid", told(kid), "the id of the key, as a string")
        if jku is not None and client.jku is not None and jku != client.jku:
            raise mismatch("jku is not the registered one", "jku", told(jku), one_of([client.jku]))
        try:
            keys = await self._ring.find(registry, client, kid, algorithm)
        except KeyFetchError as error:
            raise Unauthorized(f"keys: {error}") from None
        if not keys:
            expected = f"the kid of a key for {algorithm} in the key set of {client.id}"
            raise mismatch("no key of this kid and kind", "kid", told(kid), expected)
        return keys

    def _check_claims(
        self, client: Client, claims: Mapping[str, Any], endpoints: Sequence[str]
    ) -> datetime:
        """Check time, audience, tenant and jti; give the time until which the token is alive."""
        expires = _check_times(claims, self._clock().timestamp())
        audience = claims.get("aud")
        given = audience if isinstance(audience, list) else [audience]
        accepted = {*endpoints, *client.audiences}
        if not any(isinstance(value, str) and value in accepted for value in given):
            reason = "the token is meant for another endpoint"
            raise mismatch(reason, "aud", told(audience), one_of(accepted))
        if client.tenants and claims.get("tenant") not in client.tenants:
            tenant, allowed = told(claims.get("tenant")), one_of(client.tenants)
            raise mismatch("the tenant is not allowed", "tenant", tenant, allowed)
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_CLAIM_CHARS:
            expected = f"a string of at most {_MAX_CLAIM_CHARS} characters, new for each call"
            raise mismatch("jti is missing", "jti", told(jti), expected)
        return datetime.fromtimestamp(expires + LEEWAY_SECONDS, UTC)


def _check_times(claims: Mapping[str, Any], now: float) -> float:
    """Check exp, iat and nbf against the clock, and give exp."""
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    begins = _time(claims, "nbf") if "nbf" in claims else issued
    if expires + LEEWAY_SECONDS <= now:
        raise mismatch("the token has expired", "exp", at(expires), f"after {at(now)}")
    if max(issued, begins) - LEEWAY_SECONDS > now:
        name = "iat" if issued >= begins else "nbf"
        came, expected = at(max(issued, begins)), f"not after {at(now)}"
        raise mismatch("the token is not valid yet", name, came, expected)
    if not 0 < expires - issued <= LONGEST_LIFE_SECONDS:
        came = f"{expires - issued:.0f} s after iat"
        expected = f"1 to {LONGEST_LIFE_SECONDS} s after iat"
        raise mismatch("the token lives too long", "exp", came, expected)
    return expires


def _bearer(authorization: Sequence[str]) -> str:
    """The token of `Authorization: Bearer x`; the scheme in any case (RFC 9110 section 11.1)."""
    if not authorization:
        raise Unauthorized("no Authorization header")
    if len(authorization) > 1:
        raise Unauthorized("several Authorization headers")
    scheme, _, token = authorization[0].partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("no bearer token")
    if len(token) > MAX_TOKEN_CHARS:
        raise Unauthorized("the token is too long")
    return token.strip()


@cache
def _jws() -> PyJWS:
    """What reads signatures; it knows neither `none` nor HMAC. Loaded where tokens are checked."""
    from jwt import PyJWS

    return PyJWS(ALGORITHMS)


def _read(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Header, claims and signature, not yet verified."""
    import jwt

    try:
        parts = _jws().decode_complete(token, options={"verify_signature": False})
        claims = msgspec.json.decode(parts["payload"])
    except (jwt.PyJWTError, msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        raise Unauthorized("not a JSON Web Token") from None
    if not isinstance(claims, dict):
        raise Unauthorized("not a JSON Web Token")
    return parts["header"], claims, parts["signature"]


def _verify(token: str, keys: Sequence[Key], algorithm: str, signature: bytes) -> None:
    """Raise Unauthorized unless one of the keys made the signature; all of them fit the algorithm.

    The token was taken apart before: `decode_complete` would do that again for each key. ES384
    takes half a millisecond all the same, nearly all of it in OpenSSL's arithmetic on P-384.
    """
    import jwt

    signed = token.rpartition(".")[0].encode()
    checker = _jws().get_algorithm_by_name(algorithm)
    for key in keys:
        try:
            if checker.verify(signed, key.public, signature):
                return
        except (jwt.PyJWTError, ValueError):
            continue
    raise Unauthorized("the signature is wrong")


def _client_of(registry: Registry, claims: Mapping[str, Any]) -> Client:
    iss = claims.get("iss")
    client = registry.by_iss.get(iss) if isinstance(iss, str) else None
    if client is None:
        raise mismatch("iss is not registered", "iss", told(iss), one_of(registry.by_iss))
    return client


def _time(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519 section 2), as a number and in a sensible range."""
    value = claims.get(name)
    if value is None:
        raise mismatch(f"{name} is missing", name, told(value), numeric_date(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise mismatch(f"{name} is no number", name, told(value), numeric_date(value))
    if not 0 < value < 1e11:  # refuses NaN, too
        raise mismatch(f"{name} is out of range", name, told(value), numeric_date(value))
    return float(value)


def _shown(header: Mapping[str, Any], claims: Mapping[str, Any]) -> dict[str, str]:
    """What the audit log may hold of a token (best practices L55), cut to a sensible length."""
    values = {
        "iss": claims.get("iss"),
        "kid": header.get("kid"),
        "jti": claims.get("jti"),
        "tenant": claims.get("tenant"),
    }
    return {name: v[:LOGGED_CHARS] for name, v in values.items() if isinstance(v, str)}
