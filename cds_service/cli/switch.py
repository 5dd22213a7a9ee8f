"""The commands `off` and `on`: the kill switch of the service on this machine."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from cds_service.errors import SettingsError
from cds_service.ops.settings import from_environment
from cds_service.ops.switch import FILE, State, Switch
from cds_service.ops.urls import local_base
from cds_service.ops.user import user_name

_PATIENCE = 3.0  # seconds in which the service must follow
_Reason = Annotated[
    str, typer.Option(help="Why, for the audit stream; nothing of a patient.", show_default=False)
]


def off(reason: _Reason = "") -> None:
    """Switch off: every call gets an empty list at once, about genetic HO, too.

    It stays off after a restart, for all workers with this data directory (CDS_DATA_DIR). A
    service whose directory cannot be written takes the signals SIGUSR1 (off) and SIGUSR2 (on).
    """
    _turn("off", reason)


def on(reason: _Reason = "") -> None:
    """Switch on again: the modes of the clients are in force as before."""
    _turn("on", reason)


def _turn(state: State, reason: str) -> None:
    settings, signal = from_environment(), {"off": "SIGUSR1", "on": "SIGUSR2"}[state]
    file = settings.data_dir / FILE
    if not Switch(settings.data_dir).turn(state, f"command of {user_name()}", reason):
        raise SettingsError(
            f"cannot write {file}: name the directory of the service with CDS_DATA_DIR, run this "
            f"as its user, or send the service {signal}"
        )
    base = local_base(settings.host, settings.port)
    seconds, told = _followed(base, state)
    if told is None:
        raise SettingsError(
            f"{file} says {state}, and NO SERVICE ANSWERS at {base}: one that runs elsewhere goes "
            "on as it was. Give the command with the settings of the service (CDS_DATA_DIR, "
            f"CDS_HOST, CDS_PORT), or send its parent {signal}. One that starts with this "
            f"directory is {state}"
        )
    if told == "unknown":
        raise SettingsError(
            f"{file} says {state}, and the service at {base} cannot read it: its user needs the "
            f"right to enter {settings.data_dir} and to read in it; until then calls get HTTP 503"
        )
    if told == state:
        typer.echo(f"{state}: {file}. The service at {base} says so after {seconds:.1f} s.")
    else:
        raise SettingsError(
            f"{file} says {state}, and the service at {base} does not follow: it has another data "
            "directory (CDS_DATA_DIR); its own switch has not moved"
        )


def _followed(base: str, state: State) -> tuple[float, str | None]:
    """Seconds until the service says this state, and what it said last; None where none answers."""
    import httpx  # the file is written by now: nothing waits for it

    began, told = time.monotonic(), None
    while (spent := time.monotonic() - began) < _PATIENCE:
        try:
            answer = httpx.get(f"{base}/health/ready", timeout=_PATIENCE, trust_env=False).json()
            told = str(answer["switch"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return spent, told
        if told == state:
            break
        time.sleep(0.1)
    return spent, told
