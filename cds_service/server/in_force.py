"""The clinical content in force in this worker: loaded aside, tried, and swapped between calls."""

from __future__ import annotations

import asyncio
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
from cds_service.knowledge.names import OVERLAY_FILE
from cds_service.ops import log
from cds_service.ops.settings import Settings
from cds_service.ops.user import user_name
from cds_service.server.discovery import describe
from cds_service.server.warm import warm
from cds_service.store.records import ContentChange
from cds_service.trust import access
from cds_service.trust.clients import Client, Registry

_NICE = 10  # the trial of new content gives way to calls
_LINES = 20  # of what the trial says that are kept
_AGAIN = 5.0  # seconds between two tries to write the history
_END_SECONDS = 2.0  # for what is under way when the service ends
_PATIENCE = 1800.0  # seconds for the trial of an overlay: on a busy machine calls go first
_AS_ALL = "SIGHUP, as all from now on"


@dataclass(frozen=True)
class _Content:
    """One state of the content: what every call is answered from, by client where it differs."""

    default: Runtime
    discovery: bytes
    by_client: Mapping[str, Runtime | None] = field(default_factory=dict)
    """Of every client that was registered then; None where there is no content for it: the version
    it is pinned to, or the overlay of a new client, is not there."""

    @property
    def of_their_own(self) -> dict[str, Runtime]:
        """By client, where it is not what all have."""
        found = self.by_client.items()
        return {name: one for name, one in found if one is not None and one is not self.default}


class InForce:
    """Holds the runtime of a worker. A call asks once, and goes its whole way with the answer, so
    that no answer mixes two versions.

    `reasons` are the coded reasons for overriding that its cards have offered so far. To build one
    loads the overlays that clients name. Raises KnowledgeError.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._refused: tuple[Path | None, ...] = ()
        self._first = runtime
        check_key(runtime.knowledge, runtime.settings)
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
        if client is None or access.is_off(client, self._first.switch):  # that needs no content
            return content.default
        if client.id in content.by_client:
            found = content.by_client[client.id]
        else:  # registered a moment ago
            found = _pinned(client, None if client.overlay else content.default, None)
        if found is None:
            pin = client.knowledge
            why = f"pinned to knowledge {pin}, which" if pin else "to have an overlay that"
            raise Unavailable(f"this client is {why} is not in force; the order was not checked")
        return found

    @property
    def versions(self) -> dict[str, str]:
        """The version of each client that has content of its own."""
        return {n: one.knowledge.version for n, one in self._content.of_their_own.items()}

    def problems(self) -> list[str]:
        """Sentences for /health/ready."""
        found = []
        for overlay in self._refused:
            whose = [one.id for one in self._registry.clients if one.overlay == overlay]
            of = f" of {', '.join(whose)}" if overlay is not None and whose else ""
            found.append(f"the content on disk{of} is refused; the one before it is in force")
        for client in self._registry.clients:
            if self._content.by_client.get(client.id, self.runtime) is None:
                what = "knowledge that {} is pinned to" if client.knowledge else "overlay of {}"
                found.append(f"the {what.format(client.id)} is not in force")
        return found

    # --- swapping ---

    async def begin(self) -> None:
        """Make ready for the first call, and write into the history what is in force."""
        for runtime in self._loaded.values():
            await asyncio.to_thread(warm, runtime)
        self._tell("start", None)

    async def end(self) -> None:
        """Let what goes into the history be written, within seconds."""
        if tasks := set(self._history):
            await asyncio.wait(tasks, timeout=_END_SECONDS)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def reload(self) -> None:
        """Load what changed on disk aside, try it, and swap. An overlay that is broken changes
        nothing for those who have it, and holds nobody else up."""
        async with self._busy:
            before = self._content
            await self._load()
            self._content = self._put_together(before)
            self._tell("SIGHUP", before)

    async def _load(self) -> None:
        """A runtime for each overlay, the old one where no file of it changed or it is refused."""
        kept = (self._first.settings.knowledge_overlay, *_overlays(self._registry))
        loaded: dict[Path | None, Runtime] = {}
        marks, refused = {}, []
        for overlay in dict.fromkeys(kept):
            try:
                mark = await asyncio.to_thread(_mark, overlay)
                if mark != self._marks.get(overlay) or overlay not in self._loaded:
                    await _try(overlay)
                    loaded[overlay] = await asyncio.to_thread(self._made, overlay, mark)
                    marks[overlay] = mark
                    continue
            except KnowledgeError as error:
                log.warn("content NOT in force", problem=str(error), version=self._version(overlay))
                refused.append(overlay)
            except Exception as error:  # a bug of ours: told, and what is in force stays
                log.failed(error)
                refused.append(overlay)
            if overlay in self._loaded:
                loaded[overlay], marks[overlay] = self._loaded[overlay], self._marks[overlay]
        self._loaded, self._marks, self._refused = loaded, marks, tuple(refused)

    def _version(self, overlay: Path | None) -> str | None:
        """The version that stays in force."""
        found = self._loaded.get(overlay)
        return found.knowledge.version if found else None

    def _made(self, overlay: Path | None, mark: bytes) -> Runtime:
        """Raises KnowledgeError, also where the files are no longer those of the mark."""
        made = self._runtime(load_checked(overlay))
        if overlay is not None and _mark(overlay) != mark:
            why = "its files changed while they were checked"
            raise KnowledgeError([Mistake(overlay.name, None, why, "send SIGHUP again")])
        warm(made)
        return made

    def _runtime(self, knowledge: Knowledge) -> Runtime:
        first = self._first
        check_key(knowledge, first.settings)
        made = hooks.build_runtime(
            first.settings, knowledge, first.clock, first.store, first.trust, first.switch
        )
        made.composer.prepare()
        return replace(made, desk=first.desk, servers=first.servers)

    def _put_together(self, before: _Content | None) -> _Content:
        default = self._loaded[self._first.settings.knowledge_overlay]
        by_client: dict[str, Runtime | None] = {}
        for client in self._registry.clients:
            old = None
            if before is not None:
                unknown = None if client.overlay else before.default
                old = before.by_client.get(client.id, unknown)
            new = self._loaded.get(client.overlay) if client.overlay else default
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
        old, now = _versions(before) if before else {}, _versions(self._content)
        changed = {name: (one, how) for name, one in now.items() if old.get(name) is not one}
        default = self._content.default
        for name, one in self._content.by_client.items():
            if name in old and one is default:  # it had content of its own
                changed[name] = default, _AS_ALL
        at, by = self._first.clock(), f"{user_name()}@{socket.gethostname()}"
        changes = []
        for name, (runtime, why) in changed.items():
            known = runtime.knowledge
            version, site = known.version, known.site
            log.audit("content in force", version=version, site=site, client=name or None, how=why)
            changes.append(ContentChange(at, name, version, site, known.approved, why, by))
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


def check_key(knowledge: Knowledge, settings: Settings) -> None:
    """Raises KnowledgeError for variants without a key to draw who gets which."""
    if knowledge.variants and settings.user_key is None:
        reason = "variants are drawn with the key of users, and there is none"
        mend = "set CDS_USER_KEY to at least 16 random characters, the same for all machines"
        raise KnowledgeError([Mistake(OVERLAY_FILE, None, reason, mend)])


def _pinned(client: Client, new: Runtime | None, old: Runtime | None) -> Runtime | None:
    """The new content, where there is some, else the old one; of a client that is pinned, the one
    that it is pinned to."""
    for found in (new, old):
        if found is not None and client.knowledge in (None, found.knowledge.version):
            return found
    return None


def _overlays(registry: Registry) -> Iterable[Path]:
    return dict.fromkeys(c.overlay for c in registry.clients if c.overlay is not None)


def _versions(content: _Content) -> dict[str, Runtime]:
    """By client; the empty name stands for all others."""
    return {"": content.default, **content.of_their_own}


def _mark(overlay: Path | None) -> bytes:
    """Changes with every byte and name of the files of an overlay."""
    digest = hashlib.sha256()
    if overlay is not None:
        for path in sorted(p for p in overlay.rglob("*") if p.is_file()):
            try:
                content = path.read_bytes()
            except OSError as error:
                content = type(error).__name__.encode()
            for part in (os.fsencode(path), content):
                digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


async def _try(overlay: Path | None) -> None:
    """Let another process check this content and answer the synthetic patients with it, so that
    calls are not held up. Raises KnowledgeError with what it says."""
    if overlay is None:
        return
    command = (
        sys.executable,
        "-m",
        "cds_service",
        "knowledge",
        "check",
        "--patients",
        str(overlay),
    )
    nothing, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*command, stdout=nothing, stderr=pipe)
    except OSError as error:  # no file descriptor, memory or process is left
        why = f"the check cannot be started: {error.strerror or type(error).__name__}"
        raise KnowledgeError([Mistake(overlay.name, None, why, "send SIGHUP again")]) from None
    with suppress(ProcessLookupError, PermissionError):
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
    try:
        async with asyncio.timeout(_PATIENCE):
            _, said = await process.communicate()
    except TimeoutError:
        why = f"the check did not end within {_PATIENCE:.0f} seconds"
        raise KnowledgeError([Mistake(overlay.name, None, why, "send SIGHUP again")]) from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    if process.returncode:
        lines = said.decode("utf-8", "replace").splitlines()[-_LINES:]
        why = "\n".join(lines) or f"the check ended with {process.returncode}"
        raise KnowledgeError([Mistake(overlay.name, None, why)])
