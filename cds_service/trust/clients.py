"""The registry of EHR clients: one TOML file, read strictly, and read again without a restart."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cds_service.errors import ClientsError, Mistake
from cds_service.knowledge.genetic_cards import is_genetic
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.spelling import nearest
from cds_service.ops.timezones import Timezone
from cds_service.ops.urls import Origin, Url
from cds_service.trust.keys import KeysError, KeySet, read_keys
from cds_service.trust.rollout import SOME, Rollout

_EXAMPLE = "see docs/configuration.md for an example of every key"
_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")
_HEADER = re.compile(r"\s*\[\[\s*client\s*\]\]")


Text = Annotated[str, Field(min_length=1, max_length=500)]
Algorithm = Literal["ES384", "RS384", "ES256", "RS256"]
Quirk = Literal["epic"]
Feature = Literal["actionSelectionBehavior"]


class Client(Rollout):
    """One EHR that may call: who it is, how it signs, and what may be read from it."""

    id: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="Short name for logs and figures."
    )
    iss: Text = Field(description="The `iss` of its tokens, compared exactly.")
    jku: Url | None = Field(default=None, description="URL of its JWK Set.")
    jwks: dict[str, Any] | None = Field(default=None, description="Its JWK Set itself.")
    jwks_file: Text | None = Field(
        default=None, description="File with its JWK Set, relative to the registry."
    )
    algorithms: tuple[Algorithm, ...] = Field(
        default=("ES384", "RS384"),
        min_length=1,
        strict=False,
        description="Signature algorithms it may use. ES256 and RS256 only when named.",
    )
    audiences: tuple[Text, ...] = Field(
        default=(), strict=False, description="Values of `aud` accepted besides the endpoint's URL."
    )
    tenants: Annotated[tuple[Text, ...], SOME] | None = Field(
        default=None, strict=False, description="Accepted `tenant` claims; unset: not looked at."
    )
    fhir_servers: tuple[Url, ...] = Field(
        default=(), strict=False, description="Base URLs of FHIR servers that may be read for it."
    )
    private_hosts: tuple[Text, ...] = Field(
        default=(),
        strict=False,
        description="Hosts of the URLs above that may have a private or loopback address.",
    )
    hooks: Annotated[tuple[Text, ...], SOME] | None = Field(
        default=None, strict=False, description="Hooks it may call; unset: all."
    )
    cors_origins: tuple[Origin, ...] = Field(
        default=(), strict=False, description="Origins of its browser-based applications."
    )
    timezone: Timezone | None = Field(
        default=None,
        description="Its time zone (IANA): its day decides and stands on its cards; unset: that "
        "of CDS_TIMEZONE.",
    )
    calls_per_second: float | None = Field(
        default=None, gt=0, description="Calls a second of it that one worker takes; unset: all."
    )
    next_aliases: dict[Text, Url] = Field(
        default_factory=dict,
        description="Base URLs by which its FHIR server names itself in links to further pages, "
        "each with the one of `fhir_servers` that is meant.",
    )
    unread: Literal["refuse", "card"] = Field(
        default="refuse",
        description="What it gets for a trigger order without a problem list, sent or readable: "
        "HTTP 412, which an integrator sees, or an info card, which a clinician sees. At "
        "patient-view the same where the list is not, or only partly, known.",
    )
    profile: Text | None = Field(
        default=None,
        description="What is known of EHRs of its kind: the id of one of the profiles below.",
    )
    overlay: Path | None = Field(
        default=None,
        strict=False,
        description="Directory of its site overlay, relative to the registry, in place of that of "
        "CDS_KNOWLEDGE_OVERLAY.",
    )
    knowledge: Text | None = Field(
        default=None,
        description="The version of the knowledge that it is pinned to: with another one in force "
        "its calls get HTTP 503.",
    )
    repeat_days: int | None = Field(
        default=None,
        ge=1,
        le=365,
        description="Days for which a warning that was overridden with a reason of ours comes back "
        "as an info card that says so, while order and findings are the same; never of genetic HO. "
        "Unset: never. Keeps pseudonymous personal data; see repeats.md.",
    )
    quirks: tuple[Quirk, ...] = Field(
        default=(),
        strict=False,
        description="`epic`: one action per suggestion, selectionBehavior `any` only.",
    )
    features: tuple[Feature, ...] = Field(
        default=(),
        strict=False,
        description="Parts of CDS Hooks 3.0 that it says it supports, and that may not be sent "
        "otherwise: `actionSelectionBehavior`. Needs CDS_SPEC_VERSION of 3.0.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(source is not None for source in (self.jku, self.jwks, self.jwks_file)) != 1:
            raise ValueError("needs exactly one of jku, jwks and jwks_file")
        known = {urlsplit(url).hostname for url in (*self.fhir_servers, self.jku or "")}
        strays = [url for url in self.next_aliases.values() if url not in self.fhir_servers]
        if strays:
            raise ValueError(f"next_aliases: {strays[0]} is none of fhir_servers")
        unknown = [host for host in self.private_hosts if host not in known]
        if unknown:
            raise ValueError(f"private_hosts: {unknown[0]} is no host of fhir_servers or jku")
        return self

    def may_call(self, hook: str) -> bool:
        """Whether this client is registered for the hook."""
        return self.hooks is None or hook in self.hooks


@dataclass(frozen=True, slots=True)
class Names:
    """What a registration may name: profiles, cards, rules and hooks of the knowledge (no hooks:
    not checked); `genetic` are the cards and rules about genetic HO. `keyed`: whether there is a
    key by which users are told apart. `repeats_lack`: how to mend what earlier answers need; empty
    where nothing lacks. `speaks_3`: whether what is new in CDS Hooks 3.0 is sent."""

    profiles: Collection[str] = ()
    cards: Collection[str] = ()
    rules: Collection[str] = ()
    hooks: Collection[str] = ()
    genetic: Collection[str] = ()
    keyed: bool = False
    repeats_lack: str = ""
    speaks_3: bool = True

    @classmethod
    def of(
        cls, knowledge: Knowledge, *, keyed: bool, speaks_3: bool, repeats_lack: str = ""
    ) -> Self:
        """Those of this knowledge."""
        k = knowledge
        rules = (k.genetic, k.factors, k.modifiers, k.non_factors, k.exclusions)
        hooks = {service.hook for service in k.services.values()}
        ids = [id_ for each in rules for id_ in each]
        genetic = {*k.genetic, *(id_ for id_, card in k.cards.items() if is_genetic(card))}
        return cls(k.profiles, k.cards, ids, hooks, genetic, keyed, repeats_lack, speaks_3)


class _ClientsFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    client: list[Client] = Field(min_length=1)


@dataclass(frozen=True)
class Registry:
    """All registered clients. `keys` are those that need no fetch, by client id."""

    clients: tuple[Client, ...] = ()
    keys: Mapping[str, KeySet] = field(default_factory=dict)
    version: str = "none"

    @cached_property
    def by_iss(self) -> Mapping[str, Client]:
        """Clients by the `iss` of their tokens."""
        return {client.iss: client for client in self.clients}

    @property
    def origins(self) -> frozenset[str]:
        """Origins that get CORS headers."""
        return frozenset(origin for client in self.clients for origin in client.cors_origins)

    def __bool__(self) -> bool:
        return bool(self.clients)


class ClientFile:
    """Holds the registry in force. Without a file nobody is registered.

    `problem` says why the last reload failed, in words without the file's values; None when the
    registry is what the file says. Raises ClientsError when the file is broken at the start.
    """

    def __init__(self, path: Path | None, names: Names | None = None) -> None:
        self._path = path
        self._names = names or Names()
        self.registry = load(path, self._names) if path is not None else Registry()
        self.problem: str | None = None

    def reload(self) -> bool:
        """Read the file again; a broken one leaves the old registry in force. False then."""
        if self._path is None:
            return True
        try:
            self.registry = load(self._path, self._names)
        except ClientsError as error:
            self.problem = str(error)
            return False
        self.problem = None
        return True


def load(path: Path, names: Names | None = None) -> Registry:
    """Read the registry. Raises ClientsError with every mistake, its line and how to mend it."""
    try:
        content = path.read_bytes()
        text = content.decode()
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise ClientsError([Mistake(str(path), None, reason, "see CDS_CLIENTS")]) from None
    except UnicodeDecodeError:
        raise ClientsError([Mistake(str(path), None, "is not UTF-8")]) from None
    entries = _entries(path, text)
    mistakes = [
        *_repeated(path, text, entries),
        *_wrong_names(path, text, entries, names or Names()),
    ]
    keys: dict[str, KeySet] = {}
    digest = hashlib.sha256(content)
    for position, client in enumerate(entries):
        try:
            key_set = _own_keys(client, path.parent, digest)
        except (KeysError, OSError) as error:
            reason = f"{client.id}: the JWK Set {_why(error)}"
            line = _line_of(text, position, "jwks" if client.jwks is not None else "jwks_file")
            mistakes.append(Mistake(str(path), line, reason, "see RFC 7517 section 5"))
        else:
            if key_set is not None:
                keys[client.id] = key_set
    if mistakes:
        raise ClientsError(mistakes)
    placed = tuple(_with_overlay_in(path.parent, client) for client in entries)
    return Registry(placed, MappingProxyType(keys), digest.hexdigest()[:8])


def _with_overlay_in(folder: Path, client: Client) -> Client:
    if client.overlay is None:
        return client
    return client.model_copy(update={"overlay": folder / client.overlay})


def _why(error: KeysError | OSError) -> str:
    return f"cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)


def _own_keys(client: Client, folder: Path, digest: hashlib._Hash) -> KeySet | None:
    if client.jwks is not None:
        return read_keys(client.jwks)
    if client.jwks_file is None:
        return None
    data = (folder / client.jwks_file).read_bytes()
    digest.update(data)
    return read_keys(data)


def _entries(path: Path, text: str) -> list[Client]:
    import tomllib  # of use only where a registry is named

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _POSITION.search(str(error))
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        reason = "not TOML: " + _POSITION.sub("", str(error))
        raise ClientsError([Mistake(str(path), line, reason)]) from None
    except RecursionError:
        raise ClientsError([Mistake(str(path), None, "is nested too deep")]) from None
    try:
        return _ClientsFile.model_validate(document).client
    except ValidationError as error:
        raise ClientsError([_mistake(path, text, item) for item in error.errors()]) from None


def _mistake(path: Path, text: str, item: Any) -> Mistake:
    """One finding of pydantic in words; values are left out, because a file may hold a secret."""
    place = [str(part) for part in item["loc"]]
    if len(place) < 2:
        what = "is no key of this file" if item["type"] == "extra_forbidden" else "is required"
        reason = f"{'.'.join(place)}: {what}"
        return Mistake(str(path), None, reason, "write one [[client]] table for each EHR")
    position = int(place[1])
    key = place[2] if len(place) > 2 else None
    reason = {
        "extra_forbidden": "is no key of a client",
        "missing": "is required",
    }.get(item["type"], str(item["msg"]).removeprefix("Value error, "))
    named = f"client {position + 1}" + (f", {'.'.join(place[2:])}" if key else "")
    return Mistake(str(path), _line_of(text, position, key), f"{named}: {reason}", _EXAMPLE)


def _repeated(path: Path, text: str, entries: list[Client]) -> list[Mistake]:
    mistakes = []
    for key in ("id", "iss"):
        seen: set[str] = set()
        for position, client in enumerate(entries):
            value = getattr(client, key)
            if value in seen:
                line = _line_of(text, position, key)
                reason = f"client {position + 1}, {key}: stands twice"
                mistakes.append(Mistake(str(path), line, reason, f"give each client its own {key}"))
            seen.add(value)
    return mistakes


def _wrong_names(path: Path, text: str, entries: list[Client], names: Names) -> Iterator[Mistake]:
    """What does not exist or cannot be used, without a value, as everywhere here."""
    for position, client in enumerate(entries):
        for key, inner, reason, mend in _not_there(client, names):
            place = f"{key}.{inner}" if inner else key
            line = _line_of(text, position, key, inner)
            yield Mistake(str(path), line, f"client {position + 1}, {place}: {reason}", mend)


def _not_there(client: Client, names: Names) -> Iterator[tuple[str, str, str, str]]:
    """Key, name within it, what is wrong, and how to mend it."""
    if client.profile is not None and client.profile not in names.profiles:
        mend = f"one of {', '.join(sorted(names.profiles)) or 'none'}, or leave it out"
        yield "profile", "", "there is no profile of this name", mend
    for key, given, known in (
        ("cards", client.cards, names.cards),
        ("rules", client.rules, names.rules),
    ):
        for name in given:
            if name not in known:
                shown = f"{name!r:.60}"
                mend = nearest(name, list(known)) or "see `cds-service knowledge list`"
                yield key, name, f"there is none of this id: {shown}", mend
            elif name in names.genetic:
                mend = "`genetic` is the mode of all of them; `mode` where it is unset"
                yield key, name, "is about genetic HO, which has no switch of its own here", mend
    strays = [hook for hook in client.hooks or () if names.hooks and hook not in names.hooks]
    if strays:
        mend = f"some of {', '.join(sorted(names.hooks))}, or leave it out for all"
        yield "hooks", "", "no service answers such a hook", mend
    if client.needs_key and not names.keyed:
        key = "users" if client.users is not None else "share"
        mend = "set CDS_USER_KEY to at least 16 random characters, the same for all machines"
        yield key, "", "users are told apart by a keyed hash, and there is no key", mend
    if client.repeat_days is not None and names.repeats_lack:
        yield "repeat_days", "", "an earlier answer cannot be looked up", names.repeats_lack
    if client.features and not names.speaks_3:
        yield "features", "", "is of CDS Hooks 3.0, which is not spoken", "set CDS_SPEC_VERSION"
    misplaced = sorted((client.jwks or {}).keys() & Client.model_fields.keys())
    if misplaced:
        mend = "keys of the client stand before its [client.jwks]"
        yield misplaced[0], "", "stands in jwks, where nobody reads it", mend


def _line_of(text: str, position: int, key: str | None, inner: str = "") -> int | None:
    """Line of a key in the client table at that position, or of the table itself; of a name within
    the key where that has a line of its own."""
    table = -1
    start: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if _HEADER.match(line):
            table += 1
            if table == position:
                start = number
        elif table == position and key and re.match(rf"\s*(\[client\.)?{key}\b", line):
            start, key, inner = number, inner or None, ""
            if key is None:
                return number
            key = rf"[\"']?{re.escape(key)}"
    return start
