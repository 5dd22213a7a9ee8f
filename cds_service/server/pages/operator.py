"""Lets operators in to the figures: by token, or without one where just this machine can ask."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from fastapi import Request, Response

from cds_service.errors import Forbidden, TooMany, UnknownService
from cds_service.hooks import Runtime
from cds_service.ops import log
from cds_service.ops.quota import Quota
from cds_service.ops.urls import host_of, is_loopback_host
from cds_service.server.connections import who_is
from cds_service.server.origins import is_own_page
from cds_service.server.pages.lockout import Lockout

COOKIE = "cds-operator"
PATH = "/insights"
_SECONDS = 8 * 60 * 60
_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Login:
    """One login: its random name, and when it ends (seconds since 1970)."""

    name: str
    expires: int

    @property
    def fingerprint(self) -> str:
        """What stands for it among used tokens."""
        return sha256(f"operator {self.name}".encode()).hexdigest()


class Operators:
    """Who may see the figures.

    A login is a random name, an end and a signature; it does not hold the token. One that was left
    is written down where used tokens are, so that a copy of the cookie lets nobody in, whichever
    worker is asked. Without a database it is remembered by the one worker, and logins end with it.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._settings, self._store, self._clock = runtime.settings, runtime.store, runtime.clock
        self._lockout = Lockout()
        self._refusals = Quota(_held_back)
        self._left: dict[str, int] = {}
        self._of_this_process = b"" if self._store.is_kept else secrets.token_bytes(16)

    @property
    def have_login(self) -> bool:
        """Whether a login can be ended again wherever it is used."""
        return self._store.is_kept or self._settings.workers == 1

    async def is_admitted(self, request: Request) -> bool:
        """Whether the figures may be shown.

        Raises UnknownService where no token is set and others could ask, Forbidden for a page of
        another origin, TooMany after too many wrong tokens, Unavailable where nobody knows whether
        a login was left.
        """
        self.refuse_other_origins(request)
        if self._settings.operator_token is None:
            self._only_this_machine(request)
            return True
        given = request.headers.get("authorization", "")
        if given.lower().startswith(_BEARER):
            return self.is_token(request, given[len(_BEARER) :].strip())
        login = self._login_of(request)
        return login is not None and not await self._was_left(login)

    def refuse_other_origins(self, request: Request) -> None:
        """Raise Forbidden for what a page of another origin asks or posts, though it were one that
        may call the services: figures are for operators."""
        own = "origin" not in request.headers or is_own_page(
            request.headers, self._settings.public_url
        )
        if not own:
            raise Forbidden(
                "figures are not for pages of other origins (see CDS_PUBLIC_URL)", "origin"
            )

    def _only_this_machine(self, request: Request) -> None:
        if not self._settings.is_alone:
            raise UnknownService("set CDS_OPERATOR_TOKEN to see figures here")
        # A name of somebody else's that leads to this machine (DNS rebinding), or a page of another
        # origin that reads across.
        host = host_of(request.headers.get("host", ""))
        foreign = request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
        reads = request.headers.get("sec-fetch-mode", "navigate") != "navigate"
        if not is_loopback_host(host) or (foreign and reads):
            raise Forbidden("figures are shown to this machine only", "host")

    # --- the token ---

    def is_token(self, request: Request, given: str) -> bool:
        """Whether this is the operator's token, compared in constant time; either is audited.

        Raises UnknownService where none is set, TooMany after too many wrong ones.
        """
        if self._settings.operator_token is None:
            self._only_this_machine(request)
            raise UnknownService("CDS_OPERATOR_TOKEN is not set: figures are shown without a login")
        address, now = _address(request), self._clock()
        try:
            self._lockout.check(address, now)
        except TooMany:
            self._refused("locked out", address)
            raise
        wanted = sha256(self._secret()).digest()
        if not hmac.compare_digest(sha256(given.encode()).digest(), wanted):
            self._lockout.wrong(address, now)
            self._refused("wrong token", address)
            return False
        self._lockout.right(address)
        log.audit("operator let in", address=address)
        return True

    def _refused(self, reason: str, address: str) -> None:
        if self._refusals.allows(reason):
            log.audit("operator refused", reason=reason, address=address)

    def _secret(self) -> bytes:
        token = self._settings.operator_token
        return token.get_secret_value().encode() if token else b""

    # --- logins ---

    def let_in(self, request: Request, response: Response) -> None:
        """Set the cookie that lets in for some hours."""
        expires, name = int(self._clock().timestamp()) + _SECONDS, secrets.token_hex(16)
        value = f"{expires}.{name}.{self._signature(expires, name)}"
        self._set_cookie(request, response, value, _SECONDS)

    async def leave(self, request: Request, response: Response) -> None:
        """End the login, here and for every copy of its cookie. Raises Unavailable where that
        cannot be written down: then the cookie stays, for another try."""
        if (login := self._login_of(request)) is not None:
            now = self._clock()
            self._left = {k: until for k, until in self._left.items() if until > now.timestamp()}
            self._left[login.name] = login.expires
            if self._store.is_kept:
                until = datetime.fromtimestamp(login.expires, UTC)
                await self._store.use_token(login.fingerprint, until)
                await self._store.forget_tokens(now)
            log.audit("operator left", address=_address(request))
        self._set_cookie(request, response, "", 0)

    def _set_cookie(self, request: Request, response: Response, value: str, seconds: int) -> None:
        public = self._settings.public_url or ""
        response.set_cookie(
            COOKIE,
            value,
            max_age=seconds,
            path=PATH,
            secure=public.startswith("https:") or request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )

    def _login_of(self, request: Request) -> Login | None:
        """The login of a cookie that we made and that is not over."""
        expires, _, rest = request.cookies.get(COOKIE, "").partition(".")
        name, _, signature = rest.partition(".")
        if not (expires.isascii() and expires.isdecimal()) or len(expires) > 12:
            return None
        wanted = self._signature(int(expires), name).encode()
        right = hmac.compare_digest(signature.encode(), wanted)
        in_time = int(expires) > self._clock().timestamp()
        return Login(name, int(expires)) if right and in_time else None

    async def _was_left(self, login: Login) -> bool:
        if login.name in self._left:
            return True
        if not self._store.is_kept:
            return False
        return await self._store.read(lambda database: database.has_token(login.fingerprint))

    def _signature(self, expires: int, name: str) -> str:
        said = f"insights {expires} {name}".encode()
        return hmac.new(self._secret() + self._of_this_process, said, sha256).hexdigest()


def of(request: Request) -> Operators:
    """What `create_app` put into the application."""
    found: Operators = request.app.state.operators
    return found


def _address(request: Request) -> str:
    return who_is(request.client.host if request.client else None)


def _held_back(held: Mapping[str, int]) -> None:
    log.audit("operator refusals held back", lines=held)
