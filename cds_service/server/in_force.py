"""The clinical content in force in this worker: loaded aside, tried, and swapped between calls."""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import os
import socket
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from cds_service import hooks
from cds_service.cards.override_reasons import offered
from cds_service.cards.suggested_orders import load_checked
from cds_service.cdshooks import models
from cds_service.errors import KnowledgeError, Mistake, Unavailable
from cds_service.hooks import Runtime
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.overlay import FILE
from cds_service.ops import log
from cds_service.server.discovery import describe
from cds_service.server.warm import warm
from cds_service.store.records import ContentChange
from cds_service.trust import access
from cds_service.trust.clients import Client, Registry

_NICE = 10  # the trial of new content gives way to calls
_LINES = 20  # of what the trial says that are kept
_AGAIN = 5.0  # seconds between two tries to write the history


@dataclass(frozen=True)
class _Content:
    """One state of the content: what every call is answered from, by client where it differs."""

    default: Runtime
    discovery: bytes
    by_client: Mapping[str, Runtime | None] = field(default_factory=dict)
    """None where a client is pinned to a version that is not there."""


class InForce:
    """Holds the runtime of a worker. A call asks once, and goes its whole way with the answer, so
    that no answer mixes two versions.

    `reasons` are the coded reasons for overriding that its cards have offered so far. `problem`
    says why the content on disk is not in force; None when it is. To build one loads the overlays
    that clients name. Raises KnowledgeError.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.problem: str | None = None
        self._first = runtime
        self._keyed(runtime.knowledge)
        self._marks = {
            runtime.settings.knowledge_overlay: _mark(runtime.settings.knowledge_overlay)
        }
        self._loaded = {runtime.settings.knowledge_overlay: runtime}
        self.reasons: set[tuple[str, str]] = set()
        self._busy = asyncio.Lock()
        self._history: set[asyncio.Task[None]] = set()
        for overlay in _overlays(self._registry):
            self._loaded[overlay] = self._runtime(load_checked(overlay))
            self._marks[overlay] = _mark(overlay)
        self._content = self._put_together(None)

    # --- asking ---

    @property
    def runtime(self) -> Runtime:
        """Of clients without an overlay of their own, of pages, and of everybody else."""
        return self._content.default

    @property
    def discovery(self) -> bytes:
        """The answer of /cds-services."""
        return self._content.discovery

    def of(self, client: Client | None) -> Runtime:
        """What calls of a client are answered from.

        Raises Unavailable where the version it is pinned to, or a new overlay, is not loaded.
        """
        content = self._content
        if access.is_off(client, self._first.switch):  # an empty list needs no content
            return content.default
        if client is None or client.id not in content.by_client:
            if client is not None and client.overlay is not None:
                raise Unavailable("the content of this client is being loaded")
            return content.default
        found = content.by_client[client.id]
        if found is None:
            raise Unavailable(
                f"this client is pinned to knowledge {client.knowledge}, which is not in force; "
                "the order was not checked"
            )
        return found

    def problems(self) -> list[str]:
        """Sentences for /health/ready."""
        missing = [name for name, found in self._content.by_client.items() if found is None]
        found = [f"the knowledge that {name} is pinned to is not in force" for name in missing]
        return [self.problem, *found] if self.problem else found

    # --- swapping ---

    async def begin(self) -> None:
        """Make ready for the first call, and write into the history what is in force."""
        for runtime in self._loaded.values():
            await asyncio.to_thread(warm, runtime)
        self._tell("start", None)

    async def reload(self) -> None:
        """Load what changed on disk aside, try it, and swap; what is broken changes nothing."""
        async with self._busy:
            before = self._content
            try:
                loaded = await self._load()
            except KnowledgeError as error:
                self.problem = "the content on disk is refused; the one before it is in force"
                log.warn("content NOT in force", problem=str(error), version=_version(before))
                return
            self._loaded = loaded
            self._content = self._put_together(before)
            self.problem = None
            self._tell("SIGHUP", before)

    async def _load(self) -> dict[Path | None, Runtime]:
        """A runtime for each overlay, the old one where no file of it changed."""
        wanted = (self._first.settings.knowledge_overlay, *_overlays(self._registry))
        loaded: dict[Path | None, Runtime] = {}
        marks = {}
        for overlay in dict.fromkeys(wanted):
            marks[overlay] = await asyncio.to_thread(_mark, overlay)
            if marks[overlay] == self._marks.get(overlay) and overlay in self._loaded:
                loaded[overlay] = self._loaded[overlay]
                continue
            await _try(overlay)
            loaded[overlay] = await asyncio.to_thread(self._made, overlay)
        self._marks = marks
        return loaded

    def _made(self, overlay: Path | None) -> Runtime:
        made = self._runtime(load_checked(overlay))
        warm(made)
        return made

    def _runtime(self, knowledge: Knowledge) -> Runtime:
        first = self._first
        self._keyed(knowledge)
        made = hooks.build_runtime(
            first.settings, knowledge, first.clock, first.store, first.trust, first.switch
        )
        made.composer.prepare()
        return replace(made, desk=first.desk, servers=first.servers)

    def _keyed(self, knowledge: Knowledge) -> None:
        """Raises KnowledgeError for variants without a key to draw who gets which."""
        if knowledge.variants and self._first.settings.user_key is None:
            reason = "variants are drawn with the key of users, and there is none"
            mend = "set CDS_USER_KEY to at least 16 random characters, the same for all machines"
            raise KnowledgeError([Mistake(FILE, None, reason, mend)])

    def _put_together(self, before: _Content | None) -> _Content:
        default = self._loaded[self._first.settings.knowledge_overlay]
        by_client: dict[str, Runtime | None] = {}
        for client in self._registry.clients:
            if client.overlay is None and client.knowledge is None:
                continue
            new = self._loaded[client.overlay] if client.overlay else default
            old = before.by_client.get(client.id, before.default) if before else None
            by_client[client.id] = _pinned(client, new, old)
        for runtime in (default, *self._loaded.values()):
            self.reasons |= {(one.system, one.code) for one in offered(runtime.knowledge)}
        return _Content(default, models.to_bytes(describe(default)), by_client)

    @property
    def _registry(self) -> Registry:
        return self._first.trust.clients.registry

    # --- telling ---

    def _tell(self, how: str, before: _Content | None) -> None:
        """An audit line for what changed, and a row of the history."""
        old = _versions(before) if before else {}
        changed = {n: r for n, r in _versions(self._content).items() if old.get(n) != r}
        for name, runtime in changed.items():
            version, site = runtime.knowledge.version, runtime.knowledge.site
            log.audit("content in force", version=version, site=site, client=name or None, how=how)
        at, by = self._first.clock(), f"{getpass.getuser()}@{socket.gethostname()}"
        changes = [
            ContentChange(at, name, r.knowledge.version, r.knowledge.site, r.knowledge.approved,
                          how, by)
            for name, r in changed.items()
        ]  # fmt: skip
        if changes and self._first.store.is_kept:
            task = asyncio.create_task(self._keep(changes))
            self._history.add(task)
            task.add_done_callback(self._history.discard)

    async def _keep(self, changes: list[ContentChange]) -> None:
        while True:
            try:
                await self._first.store.add_content(changes)
            except Unavailable:
                await asyncio.sleep(_AGAIN)
            else:
                return


def _pinned(client: Client, new: Runtime, old: Runtime | None) -> Runtime | None:
    """The new content, or the old one where the client is pinned to it."""
    if client.knowledge is None:
        return new
    for found in (new, old):
        if found is not None and found.knowledge.version == client.knowledge:
            return found
    return None


def _overlays(registry: Registry) -> Iterable[Path]:
    return dict.fromkeys(c.overlay for c in registry.clients if c.overlay is not None)


def _versions(content: _Content) -> dict[str, Runtime]:
    """By client; the empty name stands for all others."""
    own = {name: runtime for name, runtime in content.by_client.items() if runtime is not None}
    return {"": content.default, **own}


def _version(content: _Content) -> str:
    return content.default.knowledge.version


def _mark(overlay: Path | None) -> bytes:
    """Changes with every byte and name of the files of an overlay."""
    digest = hashlib.sha256()
    if overlay is not None:
        for path in sorted(p for p in overlay.rglob("*") if p.is_file()):
            try:
                content = path.read_bytes()
            except OSError as error:
                content = str(error).encode()
            for part in (str(path).encode(), content):
                digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


async def _try(overlay: Path | None) -> None:
    """Let another process check this content and answer the synthetic patients with it, so that
    calls are not held up. Raises KnowledgeError with what it says."""
    if overlay is None:
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cds_service", "knowledge", "check", "--patients", str(overlay),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    with suppress(ProcessLookupError, PermissionError):
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
    _, said = await process.communicate()
    if process.returncode:
        lines = said.decode("utf-8", "replace").splitlines()[-_LINES:]
        why = "\n".join(lines) or f"the check ended with {process.returncode}"
        raise KnowledgeError([Mistake(overlay.name, None, why)])
