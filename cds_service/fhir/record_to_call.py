"""Wraps a patient's record, a bare FHIR Bundle, into the order-sign call an EHR would send."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Raw

from cds_service.cdshooks import request
from cds_service.clinical.chart import FhirDate
from cds_service.errors import BadRequest
from cds_service.fhir.as_of import Timing, as_it_was, timing_of
from cds_service.fhir.dates import read_date
from cds_service.fhir.inputs import INPUT_OF, OVER
from cds_service.fhir.lists_said import SECTIONED, inputs_of
from cds_service.knowledge.names import InputName
from cds_service.knowledge.terminology import CodeIndex

HIP = ("http://snomed.info/sct", "52734007", "Total hip replacement")
"""What `--order hip` adds (code verified in VSAC and GPS, see the value set hip-total-primary)."""

_SYSTEMS = (  # where a bare code is looked for, in this order
    "http://snomed.info/sct",
    "http://www.ama-assn.org/go/cpt",
    "http://www.cms.gov/Medicare/Coding/ICD10",
    "http://hl7.org/fhir/sid/icd-9-cm",
    "https://fhir.hl7.org.uk/Id/opcs-4",
)
_ORDERS = frozenset(  # what is a draft order when its status is draft
    {kind for kind, name in INPUT_OF.items() if name is InputName.SERVICE_REQUESTS}
    | {"MedicationRequest", "MedicationOrder", "DeviceRequest"}
)
_POINTED_AT = frozenset({"Medication", "BodyStructure", "BodySite", "Composition", "List"})
_BESIDE = "beside"  # the prefetch key of what the resources of the inputs point to

_OF_A_CALL = frozenset({"hook", "hookInstance", "context"})
_NEITHER = (
    "neither a CDS Hooks call (an object with hook, hookInstance and context) nor a FHIR Bundle "
    "with one Patient and the patient's resources"
)


class _Bundle(msgspec.Struct):
    entry: list[Raw] = []
    meta: Raw = Raw(b"null")
    link: Raw = Raw(b"null")


class _Context(msgspec.Struct):
    draftOrders: _Bundle


class _Wrapped(msgspec.Struct):
    context: _Context


class _TypeAndStatus(msgspec.Struct):
    resourceType: str = ""
    id: str = ""
    status: Any = None


class _Entry(msgspec.Struct):
    resource: _TypeAndStatus


class _RawEntry(msgspec.Struct):
    resource: Raw


def as_call(data: bytes, index: CodeIndex, order: str | None = None) -> bytes:
    """A call as it is; a Bundle wrapped into one. Raises BadRequest for what is neither, and for
    an order that cannot be added."""
    if order is not None:
        check_order(order, index)
    kind = request.resource_type(data)
    if kind == "Bundle":
        return wrap(data, index, order)
    names = request.members(data, "body").keys()
    if names.isdisjoint(_OF_A_CALL) or (kind is not None and "hook" not in names):
        raise BadRequest(_NEITHER, "body")
    return data


def as_of(data: bytes, day: date, zone: str | None = None) -> tuple[bytes, int]:
    """A record as it was on a day (`fhir.as_of`), and how many entries came later and are left out.

    Draft orders stay: they are what is asked about. A call stays as it is: it holds what an EHR
    sent. `zone` is the hospital's, UTC where none is given.
    """
    if request.resource_type(data) != "Bundle":
        return data, 0
    moment = read_date(day.isoformat(), ZoneInfo(zone or "UTC"))
    members = request.members(data, "body")
    _, entries = _entries(data)
    if moment is None or "entry" not in members:
        return data, 0
    kept = []
    for raw, seen in entries:
        is_draft = seen.resourceType in _ORDERS and seen.status == "draft"
        entry = raw if is_draft else _entry_then(raw, moment, ZoneInfo(zone or "UTC"))
        kept += [entry] if entry is not None else []
    return msgspec.json.encode(members | {"entry": kept}), len(entries) - len(kept)


def _entry_then(raw: Raw, moment: FhirDate, zone: ZoneInfo) -> Raw | None:
    """An entry as it was at a moment; None for what came later."""
    entry = msgspec.json.decode(raw, type=dict[str, Any])
    doc = entry["resource"]
    if timing_of(doc, moment, zone) is Timing.LATER:
        return None
    then = as_it_was(doc, moment, zone)
    return raw if then is doc else Raw(msgspec.json.encode(entry | {"resource": then}))


def check_order(order: str, index: CodeIndex) -> None:
    """Raises BadRequest for an order that cannot be added to any record."""
    _coding(order, index)


def has_drafts(call: bytes) -> bool:
    """Whether a call that `wrap` made has a draft order."""
    return bool(msgspec.json.decode(call, type=_Wrapped).context.draftOrders.entry)


def wrap(bundle: bytes, index: CodeIndex, order: str | None = None) -> bytes:
    """Build the JSON of an order-sign call from a Bundle.

    Orders with status draft become the draft orders; everything else that the service reads goes
    into prefetch, where an input without any resource is sent as an empty Bundle: a whole record
    that holds no allergy says that none is recorded. `order` (`hip`, a code, or `system|code`)
    adds a draft when the Bundle has none. Raises BadRequest.
    """
    drafts: list[Raw] = []
    patients: list[tuple[str, Raw]] = []
    inputs: dict[str, list[Raw]] = {str(n): [] for n in InputName if n is not InputName.PATIENT}
    beside: list[Raw] = []
    outcomes: list[Raw] = []
    whole, entries = _entries(bundle)
    for raw, seen in entries:
        if seen.resourceType == "Patient":
            patients.append((seen.id, msgspec.json.decode(raw, type=_RawEntry).resource))
        elif seen.resourceType in _ORDERS and seen.status == "draft":
            drafts.append(raw)
        elif name := INPUT_OF.get(seen.resourceType):
            inputs[str(name)].append(raw)
        elif seen.resourceType in _POINTED_AT:
            beside.append(raw)
        elif seen.resourceType == "OperationOutcome":
            outcomes.append(raw)
    if len(patients) != 1 or not patients[0][0]:
        raise BadRequest(f"one Patient with an id is wanted, found {len(patients)}", "Bundle.entry")
    patient_id, patient = patients[0]
    if order is not None and not drafts:
        drafts.append(_draft(order, patient_id, index))
    told_of = _told_of(beside)
    # What the record says of itself as a whole (an error, a label, a page that is missing) may
    # concern each of its inputs.
    told = {"meta": whole.meta, "link": whole.link}
    prefetch: dict[str, Any] = {
        name: _bundle([*raws, *outcomes]) | told
        for name, raws in inputs.items()
        if raws or told_of is None or name in told_of
    }
    if beside:
        prefetch[_BESIDE] = _bundle(beside)
    return msgspec.json.encode(
        {
            "hook": "order-sign",
            "hookInstance": str(uuid4()),
            "context": {"patientId": patient_id, "draftOrders": _bundle(drafts)},
            "prefetch": prefetch | {str(InputName.PATIENT): patient},
        }
    )


def _told_of(entries: list[Raw]) -> set[str] | None:
    """The inputs of which a record says that there is none where it holds none: those of which its
    document has a section, and of which no document has one. None where it is no document."""
    documents = [msgspec.json.decode(raw)["resource"] for raw in entries]
    documents = [doc for doc in documents if doc.get("resourceType") == "Composition"]
    if not documents:
        return None
    in_use = (doc for doc in documents if doc.get("status") not in OVER)
    told = frozenset[InputName]().union(*map(inputs_of, in_use))
    return {str(name) for name in InputName if name not in SECTIONED or name in told}


def _entries(bundle: bytes) -> tuple[_Bundle, list[tuple[Raw, _TypeAndStatus]]]:
    """The Bundle; and its entries as they stand (a reference may name their fullUrl), with what
    they hold."""
    try:
        whole = msgspec.json.decode(bundle, type=_Bundle)
    except msgspec.DecodeError:
        raise BadRequest("must be a list of entries", "Bundle.entry") from None
    found = []
    for raw in whole.entry:
        try:
            found.append((raw, msgspec.json.decode(raw, type=_Entry).resource))
        except msgspec.DecodeError:
            continue  # not a resource: junk entries of real records are passed over
    return whole, found


def _bundle(entries: list[Raw]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _draft(order: str, patient_id: str, index: CodeIndex) -> Raw:
    system, code, display = _coding(order, index)
    resource = {
        "resourceType": "ServiceRequest",
        "id": "draft-1",
        "status": "draft",
        "intent": "order",
        "code": {"coding": [{"system": system, "code": code, "display": display}]},
        "subject": {"reference": f"Patient/{patient_id}"},
    }
    return Raw(msgspec.json.encode({"resource": resource}))


def _coding(order: str, index: CodeIndex) -> tuple[str, str, str]:
    if order == "hip":
        return HIP
    system, bar, code = order.rpartition("|")
    for candidate in (system,) if bar else _SYSTEMS:
        match = index.match(candidate, code)
        if match is not None:
            return candidate, code, match.display
    said = "neither hip nor a code of a value set here; send hip, CODE or SYSTEM|CODE"
    raise BadRequest(said, "--order")
