"""Runs the FHIR stand-in on this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import uvicorn

from cds_service.errors import SettingsError
from cds_service.tools.sandbox.app import create_stand_in_app
from cds_service.tools.sandbox.fhir_server import StandIn
from cds_service.tools.sandbox.guide import guide
from cds_service.tools.sandbox.hip_order import HipOrder
from cds_service.tools.sandbox.patients import sandbox_patients

HOST = "127.0.0.1"
"""Nobody else may reach it: it has no tokens, and every page of the browser may read it."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A stand-in that listens already. `fhir` is the base URL of its FHIR server, `guide` says what
    to open; `run` serves until stopped."""

    fhir: str
    guide: str
    run: Callable[[], None]


def prepare(port: int, discovery: str, sandbox: str) -> Ready:
    """Listen on this port, for a CDS service at the URL `discovery` and a Sandbox at `sandbox`.

    Raises SettingsError for a port that is taken.
    """
    listener = listen(port, "choose another with --fhir-port")
    home = f"http://{HOST}:{listener.getsockname()[1]}"
    patients = sandbox_patients(datetime.now(UTC).date())
    words = guide(sandbox, discovery, home, patients)
    stand_in = StandIn(patients, f"{home}/fhir")
    app = create_stand_in_app(stand_in, HipOrder(discovery, stand_in), words)
    config = uvicorn.Config(app, log_level="warning", access_log=False, ws="none")
    return Ready(stand_in.base, words, partial(_serve, uvicorn.Server(config), listener))


def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    with suppress(KeyboardInterrupt):  # which uvicorn raises again after it has stopped
        server.run(sockets=[listener])


def listen(port: int, mend: str) -> socket.socket:
    """A socket on this port of the loopback address; 0 takes a free one. Raises SettingsError, and
    says what would mend it."""
    try:
        return socket.create_server((HOST, port), backlog=64)
    except OSError as error:
        # not error.strerror: create_server adds the address to it once more
        why = os.strerror(error.errno).lower() if error.errno else type(error).__name__
        raise SettingsError(f"cannot listen on port {port} of {HOST}: {why}; {mend}") from None
