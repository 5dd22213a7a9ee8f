"""What to open and what to paste, in words: for the terminal and for the start page."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from cds_service.ops.urls import is_loopback_host
from cds_service.tools.sandbox.card_services import PATH
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
    fhir, bridge = f"{home}/fhir", f"{home}/cds-services"
    width = max(len(id_) for id_ in patients)
    listed = "\n".join(f"  {id_:<{width}}  {patient.about}" for id_, patient in patients.items())
    return f"""\
Open one of these in the browser:

FOP, a card when the chart is opened (patient-view):
  {sandbox_link(sandbox, discovery, fhir, "fop")}

Hip, the card for a drafted hip replacement, with its buttons and override reasons:
  {sandbox_link(sandbox, bridge, fhir, "hip")}
{_permission(sandbox)}
The Sandbox cannot draft a hip replacement. In the second link a bridge of this command does: it
calls the service at order-sign, with one drafted, whenever the Sandbox opens a chart. Feedback goes
to the service; `cds-service feedback report` counts it.

For the Card Demo (the pencil in the bar of the Sandbox), paste this over what stands there:
  {home}/card/hip

Cards to try a client on, `valid` ones that are tricky and `wrong` ones, for any CDS client:
  {home}{PATH}/valid/cds-services
  {home}{PATH}/wrong/cds-services

Other patients: another id in the link, in "Change Patient" behind the gear, or in {home}/card/ID
{listed}

FHIR server (synthetic patients, R4, open to every page on this machine): {fhir}
"""


def _permission(sandbox: str) -> str:
    """What the browser asks for before a page of the internet reaches this machine."""
    if is_loopback_host(urlsplit(sandbox).hostname):
        return ""
    return """
Chrome and Edge, since version 142, ask whether the page may reach this device: allow it. When it
was blocked, the Sandbox asks for another FHIR server; allow it again in the settings of the site
(left of the address), and reload.
"""
