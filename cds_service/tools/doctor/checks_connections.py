"""Idle connections: does one stay open as long as a proxy or an EHR keeps it for the next call."""

from __future__ import annotations

from cds_service.tools.doctor.checks_discovery import PATH
from cds_service.tools.doctor.session import ExaminationRun

_WHAT = "GET /cds-services, a pause, and again over the same connection"


def idle(session: ExaminationRun, seconds: float) -> None:
    """Whether a connection is still there and answers after so many seconds (PE-05).

    Where a proxy stands before the service it is the proxy's connection, and the second answer
    tells whether the one behind it could be used.
    """
    if seconds <= 0:
        session.skip("PE-05", "asked for with --idle SECONDS", _WHAT)
        return
    pause = session.caller.pause(PATH, session.headers(PATH), seconds)
    if pause.second is None:
        said = f"an idle connection was closed after {pause.closed:.0f} of {seconds:g} seconds"
        session.tell("PE-05", False, said, _WHAT, pause.first.told)
        return
    good = pause.second.status == pause.first.status != 0
    said = f"after {seconds:g} idle seconds a call gets {pause.second.status or 'no answer'}"
    session.tell("PE-05", good, said, _WHAT, pause.second.told)
