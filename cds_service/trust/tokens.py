"""Decides who is calling: checks the JSON Web Token of an EHR against the registry of clients.

The rules are those of CDS Hooks 2.0 "Trusting CDS Clients" and of its best practices: the token
is signed with a key of the registered client, meant for this very endpoint, short-lived, and used
once. Who fails learns nothing but that authentication is required.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from cds_service.trust.replay import SeenInMemory, SeenTokens, Use

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


@dataclass(frozen=True, slots=True)
class _Token:
    """A JSON Web Token taken apart, not verified."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signature: bytes

    @property
    def jti(self) -> str:
        """As it was checked."""
        return str(self.claims["jti"])

    @property
    def shown(self) -> dict[str, str]:
        """What the audit log may hold of it (best practices L55), cut to a sensible length."""
        values = {
            "iss": self.claims.get("iss"),
            "kid": self.header.get("kid"),
            "jti": self.claims.get("jti"),
            "tenant": self.claims.get("tenant"),
        }
        return {name: v[:LOGGED_CHARS] for name, v in values.items() if isinstance(v, str)}


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
        token = self._token(authorization, registry)
        if token is None:
            return ANONYMOUS
        with _shown_in_errors(token):
            client, kid, algorithm = _asked(token, registry)
            try:
                keys = await self._ring.find(registry, client, kid, algorithm)
            except KeyFetchError as error:
                raise Unauthorized(f"keys: {error}") from None
            until = self._check(token, client, keys, endpoints)
            return _caller(token, client, await self._seen.first(client.iss, token.jti, until))

    def admit_at_once(
        self, authorization: Sequence[str], endpoints: Sequence[str]
    ) -> Caller | None:
        """The same where nothing has to be waited for, neither a key nor a database; else None."""
        registry, seen = self._clients.registry, self._seen
        token = self._token(authorization, registry)
        if token is None:
            return ANONYMOUS
        if not isinstance(seen, SeenInMemory):
            return None
        with _shown_in_errors(token):
            client, kid, algorithm = _asked(token, registry)
            keys = self._ring.at_hand(registry, client, kid, algorithm)
            if keys is None:
                return None
            until = self._check(token, client, keys, endpoints)
            return _caller(token, client, seen.use(client.iss, token.jti, until))

    async def give_back(self, caller: Caller) -> None:
        """Let the token be used again: its call was sent away for reasons of our own."""
        if caller.use is not None:
            await self._seen.give_back(caller.use)

    def _token(self, authorization: Sequence[str], registry: Registry) -> _Token | None:
        """What was sent, not yet verified; None where nobody is asked. Raises Unauthorized."""
        absent = not authorization or list(authorization) == ["null"]  # what HL7's CRD client sends
        if self.anonymous and (absent or not registry):
            return None
        return _read(_bearer(authorization))

    def _check(
        self, token: _Token, client: Client, keys: Sequence[Key], endpoints: Sequence[str]
    ) -> datetime:
        """Check signature and claims; give the time until which the token is alive."""
        if not keys:
            kid, algorithm = token.header["kid"], token.header["alg"]
            expected = f"the kid of a key for {algorithm} in the key set of {client.id}"
            raise mismatch("no key of this kid and kind", "kid", told(kid), expected)
        _verify(token, keys)
        return self._check_claims(client, token.claims, endpoints)

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


def _asked(token: _Token, registry: Registry) -> tuple[Client, str, str]:
    """The client that a token names, and id and algorithm of the key. Raises Unauthorized."""
    client, header = _client_of(registry, token.claims), token.header
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
    return client, kid, algorithm


def _caller(token: _Token, client: Client, use: Use | None) -> Caller:
    """Who makes a call with a token of which this is the first use. Raises Unauthorized."""
    if use is None:
        expected = "a jti that this issuer did not use within the life of the token"
        raise mismatch("the token was used before", "jti", told(token.jti), expected)
    return Caller(client, token.shown, use)


@contextmanager
def _shown_in_errors(token: _Token) -> Iterator[None]:
    """Let errors tell the log of whose token they are."""
    try:
        yield
    except Unauthorized as error:
        raise Unauthorized(error.reason, token.shown, error.mismatch) from None


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


def _read(text: str) -> _Token:
    """A token taken apart. Raises Unauthorized."""
    import jwt

    try:
        parts = _jws().decode_complete(text, options={"verify_signature": False})
        claims = msgspec.json.decode(parts["payload"])
    except (jwt.PyJWTError, msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        raise Unauthorized("not a JSON Web Token") from None
    if not isinstance(claims, dict):
        raise Unauthorized("not a JSON Web Token")
    return _Token(text, parts["header"], claims, parts["signature"])


def _verify(token: _Token, keys: Sequence[Key]) -> None:
    """Raise Unauthorized unless one of the keys made the signature; all of them fit the algorithm.

    The token was taken apart before: `decode_complete` would do that again for each key. ES384
    takes half a millisecond all the same, nearly all of it in OpenSSL's arithmetic on P-384.
    """
    import jwt

    signed = token.text.rpartition(".")[0].encode()
    checker = _jws().get_algorithm_by_name(token.header["alg"])
    for key in keys:
        try:
            if checker.verify(signed, key.public, token.signature):
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
