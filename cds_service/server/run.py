"""Runs the application under uvicorn and says what to try next."""

from __future__ import annotations

import os
import resource
import shlex
import signal
import socket
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import urlsplit

import typer
import uvicorn

from cds_service.cards.suggested_orders import load_checked
from cds_service.errors import SettingsError
from cds_service.knowledge.namespaces import VARIABLE
from cds_service.knowledge.services import served
from cds_service.ops import log, metrics
from cds_service.ops.settings import PREFIX, Settings
from cds_service.ops.switch import HELD, Switch
from cds_service.ops.urls import local_base
from cds_service.server import at_rest
from cds_service.server.app import create_app, grow_memory, settle_memory
from cds_service.server.http1 import BoundedProtocol
from cds_service.server.listening import listeners
from cds_service.server.workers import FACTORY, GRACE_SECONDS, Server, Workers
from cds_service.trust import access

_OTHER_FILES = 512  # database, FHIR servers, log


def run(
    settings: Settings, example: Path | None = None, more: str = "", *, opens: bool = False
) -> None:
    """Serve until stopped. Raises a CdsError for a wrong set-up before anything listens.

    That is also what a port that is taken raises. With `example`, the file of a request, a curl
    line that posts it is printed. `more` is printed after the addresses. `opens` shows the
    playground in a browser.
    """
    access.refuse_open_door(settings)
    if opens and not settings.shows_pages:
        raise SettingsError("there is no page to open: set CDS_PAGES=true, or leave out --open")
    at_rest.keep_to_itself()
    # A hang-up ends a process that has no handler yet: it waits until there is one, for the
    # threads of the log, too.
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    log.configure()
    log.start()
    if settings.allow_anonymous:
        typer.echo("Warning: anybody may call (--allow-anonymous); for demos only.", err=True)
    if settings.identifier_base is None and not settings.is_alone:
        log.warn(
            "identifiers are placeholders",
            mend=f"set {VARIABLE} to a https URL of yours before the first real call",
        )
    _hand_down(settings)
    grow_memory()
    knowledge = load_checked(settings.knowledge_overlay)
    if settings.workers > 1:
        create_app(settings, knowledge)  # refuse here, not in every worker again and again
        settle_memory()
        config = _config(FACTORY, settings)
    else:
        config = _config(create_app(settings, knowledge), settings)
    sockets = _listen(settings)
    _allow_files(settings.max_connections + _OTHER_FILES)
    port = sockets[0].getsockname()[1]
    announce(settings, port, next(iter(served(knowledge))), example)
    if more:
        typer.echo(f"\n{more}")
    if opens:
        # A browser of the terminal holds up its caller, and asks before anybody answers.
        page = f"{local_base(settings.host, port)}/"
        Thread(target=_show, args=(page,), daemon=True).start()
    try:
        if settings.workers > 1:
            with _shared_figures():
                switch = Switch(settings.data_dir)
                workers = Workers(config, sockets, switch, lambda: create_app(settings))
                signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
                workers.run()
        else:
            Server(config).run(sockets=sockets)
    except KeyboardInterrupt:
        sys.exit(0)


def _config(app: object, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # uvicorn takes an application or its import string
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        factory=isinstance(app, str),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        http=BoundedProtocol,
        log_config=log.LIBRARY_LOGS,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _listen(settings: Settings) -> list[socket.socket]:
    """The sockets to listen on, one a worker. Raises SettingsError: uvicorn's own way is to exit
    without naming the address."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    early = not settings.drain  # nobody else can answer
    try:
        return listeners(family, settings.host, settings.port, settings.workers, early=early)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise SettingsError(
            f"cannot listen on host {settings.host}, port {settings.port}: {why}; "
            "choose others with --host and --port (CDS_HOST, CDS_PORT)"
        ) from None


def _allow_files(number: int) -> None:
    """Raise the soft limit of open files, often 1024, as far as connections need it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < number:
        most = number if hard == resource.RLIM_INFINITY else min(number, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _hand_down(settings: Settings) -> None:
    """Workers are new processes that read the environment: options must be in it too."""
    os.environ[f"{PREFIX}HOST"] = settings.host
    os.environ[f"{PREFIX}PORT"] = str(settings.port)
    os.environ[f"{PREFIX}WORKERS"] = str(settings.workers)
    os.environ[f"{PREFIX}ALLOW_ANONYMOUS"] = str(settings.allow_anonymous)


@contextmanager
def _shared_figures() -> Iterator[None]:
    """A directory in which all workers keep their figures, for one answer of /metrics."""
    with TemporaryDirectory(prefix="cds-service-") as directory:
        os.environ[metrics.SHARED_DIRECTORY] = directory
        yield


def _kept_in(settings: Settings) -> str:
    """Where cards and feedback go, without a password; and the switch, where that is elsewhere."""
    switch = f"the switch in {settings.data_dir.absolute()} (CDS_DATA_DIR)"
    url = settings.store_url
    if url is None:
        return f"nothing but {switch}; CDS_DATABASE_URL is none"
    if settings.database_url is None:
        return f"{url.removeprefix('sqlite:///')} (CDS_DATA_DIR)"
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return f"{shown} (CDS_DATABASE_URL); {switch}"


def _show(page: str) -> None:
    if not webbrowser.open(page):
        typer.echo(f"No browser could be opened; see {page}", err=True)


def announce(settings: Settings, port: int, service: str, example: Path | None) -> None:
    """Print the addresses and, with an example, a curl line that works as printed: it calls
    `service`."""
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    base = f"http://{name}:{port}/cds-services"
    typer.echo(f"Discovery: {base}")
    if settings.shows_pages:
        typer.echo(f"See it work: http://{name}:{port}/")
    typer.echo(f"Kept in: {_kept_in(settings)}")
    if example is not None and example.is_file():
        typer.echo("Try it (in another terminal):")
        typer.echo(
            f"  curl -s -H 'Content-Type: application/json' "
            f"--data-binary @{shlex.quote(str(example.resolve()))} {base}/{service}"
        )
    sys.stdout.flush()
