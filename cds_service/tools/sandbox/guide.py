"""What to open and what to paste, in words: for the terminal and for the start page."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from cds_service.ops.urls import is_loopback_host
from cds_service.tools.sandbox.patients import SandboxPatient


def sandbox_link(sandbox: str, discovery: str, fhir: str, patient_id: str) -> str:
    """The address that opens the Sandbox with this service, FHIR server and patient (its README,
    "Pre-configuration via URL parameters")."""
    chosen = {
        "fhirServiceUrl": fhir,
        "patientId": patient_id,
        "serviceDiscoveryURL": discovery,
        "hook": "patient-view",
        "screen": "patient-view",
    }
    return f"{sandbox}/?{urlencode(chosen)}"


def guide(sandbox: str, discovery: str, home: str, patients: Mapping[str, SandboxPatient]) -> str:
    """All there is to do. URLs have no slash at their end; `home` is that of the stand-in."""
    fhir = f"{home}/fhir"
    width = max(len(id_) for id_ in patients)
    listed = "\n".join(f"  {id_:<{width}}  {patient.about}" for id_, patient in patients.items())
    return f"""\
1. FOP on opening the chart. Open:

  {sandbox_link(sandbox, discovery, fhir, "fop")}
{_permission(sandbox)}
2. The hip card. The Sandbox cannot draft a hip replacement; its Card Demo shows the card that this
   service gives for one. Copy all of

  {home}/card/hip

   open the Card Demo (the pencil in the bar of the Sandbox), and paste it over what stands there.

Other patients: put another id into the link, or into "Change Patient" behind the gear.
{home}/card/ID is the card for a hip replacement of each.

{listed}

FHIR server (synthetic patients, R4, open to every page on this machine): {fhir}
"""


def _permission(sandbox: str) -> str:
    """What the browser asks for before a page of the internet reaches this machine."""
    if is_loopback_host(urlsplit(sandbox).hostname):
        return ""
    return """
   Chrome and Edge (since 142) ask whether the page may reach this device: allow it. Until then
   the Sandbox shows "Change FHIR Server". Once blocked, it is allowed again in the settings of the
   site, left of the address.
"""
