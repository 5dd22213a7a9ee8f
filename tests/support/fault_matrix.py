"""The faults of a FHIR server and what becomes of the input: one table for every server tested."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import Fault, FaultyProxy

OTHER = "somebody-else"


@dataclass(frozen=True)
class Row:
    """A fault and the state in which it leaves an input. `reason` is part of what is told."""

    name: str
    fault: Callable[[], Fault]
    state: str
    reason: str = ""


def _bundle(*resources: dict[str, Any], **members: Any) -> bytes:
    entries = [{"resource": resource} for resource in resources]
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": entries, **members}
    return json.dumps(bundle).encode()


def _foreign(x: Any, document: dict[str, Any]) -> None:
    """Every resource is another patient's."""
    for entry in document.get("entry", []):
        for member in ("subject", "patient"):
            if member in entry["resource"]:
                entry["resource"][member] = {"reference": f"Patient/{OTHER}"}


def _beside(x: Any, document: dict[str, Any]) -> None:
    """An error beside the data."""
    issue = [{"severity": "error", "code": "incomplete"}]
    outcome = {"resourceType": "OperationOutcome", "issue": issue}
    document.setdefault("entry", []).append({"resource": outcome, "search": {"mode": "outcome"}})


def _cut_total(x: Any, document: dict[str, Any]) -> None:
    document["total"] = 10_000


_WEEK = "604800"
ROWS = (
    Row("no fault", lambda: faults.passed_on, "read"),
    Row("gzip", lambda: faults.packed, "read"),
    Row("hangs up once", lambda: faults.first(faults.hung_up), "read"),
    Row("429, Retry-After 0", lambda: faults.first(faults.status(429, retry_after="0")), "read"),
    Row("503 twice", lambda: faults.first(faults.status(503, retry_after="0"), 2), "read"),
    Row("400 for _sort and _count", lambda: faults.refuses_paging, "read"),
    Row("never answers", lambda: faults.silent, "failed", "in time"),
    Row("drips for ever", lambda: faults.dripping, "failed", "in time"),
    Row("cuts the answer", lambda: faults.cut, "failed", "cut off"),
    Row("hangs up", lambda: faults.hung_up, "failed", "cut off"),
    Row("no HTTP", lambda: faults.no_http, "failed", "cut off"),
    Row("400", lambda: faults.status(400), "failed", "HTTP 400"),
    Row("401", lambda: faults.status(401), "withheld", "refused access"),
    Row("403", lambda: faults.status(403), "withheld", "refused access"),
    Row("404", lambda: faults.status(404), "failed", "HTTP 404"),
    Row("429, no Retry-After", lambda: faults.status(429), "failed", "too busy"),
    Row("429, in a week", lambda: faults.status(429, retry_after=_WEEK), "failed", "too busy"),
    Row("503, always", lambda: faults.status(503, retry_after="0"), "failed", "too busy"),
    Row("500", lambda: faults.status(500), "failed", "HTTP 500"),
    Row("204", lambda: faults.answers(b"", 204), "failed", "HTTP 204"),
    Row("redirect", lambda: faults.redirect("/fhir/elsewhere"), "failed", "elsewhere"),
    Row("HTML with 200", lambda: faults.html, "failed", "cannot be read"),
    Row("error with 200", lambda: faults.status(200), "failed", "answered with an error"),
    Row("nothing with 200", lambda: faults.answers(b""), "failed", "cannot be read"),
    Row("null", lambda: faults.answers(b"null"), "failed", "cannot be read"),
    Row("a list", lambda: faults.answers(b"[]"), "failed", "cannot be read"),
    Row("an object", lambda: faults.answers(b"{}"), "failed", "resourceType"),
    Row("NaN", lambda: faults.answers(b'{"resourceType": NaN}'), "failed"),
    Row("XML", lambda: faults.answers(b"<Bundle/>", content_type="application/fhir+xml"), "failed"),
    Row("not gzip", lambda: faults.answers(b"{}", content_encoding="gzip"), "failed"),
    Row("brotli", lambda: faults.answers(b"{}", content_encoding="br"), "failed"),
    Row("half a gzip", lambda: faults.answers(gzip.compress(b"{}" * 99)[:20],
                                              content_encoding="gzip"), "failed"),
    Row("gzip in gzip", lambda: faults.answers(gzip.compress(gzip.compress(b"{}")),
                                               content_encoding="gzip, gzip"), "failed",
        "cannot be read"),
    Row("gzip with more behind it", lambda: faults.answers(gzip.compress(b"{}") + bytes(500_000),
                                                           content_encoding="gzip"), "failed",
        "cannot be read"),
    Row("gzip bomb", lambda: faults.bomb(64), "failed", "more than is read"),
    Row("announces 1 TB", lambda: faults.answers(b"{", content_length=str(2**40)), "failed",
        "more than is read"),
    Row("another type", lambda: faults.answers(_bundle({"resourceType": "Slot", "id": "s"})),
        "failed", "another type"),
    Row("next page is this page", faults.looping, "partial", "repeat"),
    Row("next page for ever", faults.endless, "partial", "pages"),
    Row("next page elsewhere", lambda: faults.elsewhere("https://evil.example/fhir"), "partial",
        "not registered"),
    Row("next page is no URL", lambda: faults.elsewhere("http://[::"), "partial",
        "not registered"),
    Row("next page without filter", faults.dropped_filter, "partial", "another patient"),
    Row("only another patient's", lambda: faults.rewritten(_foreign), "partial",
        "another patient"),
    Row("an error beside the data", lambda: faults.rewritten(_beside), "partial",
        "issue incomplete"),
    Row("fewer than it says", lambda: faults.rewritten(_cut_total), "partial", "left out"),
)  # fmt: skip


def bystander(kind: str) -> dict[str, Any]:
    """A resource of another patient, for a server that forgets whom it was asked about."""
    member = "patient" if kind == "AllergyIntolerance" else "subject"
    return {
        "resourceType": kind,
        "id": f"other-{kind.lower()}",
        member: {"reference": f"Patient/{OTHER}"},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "82725007"}]},
    }


def apply(proxy: FaultyProxy, kind: str, row: Row) -> None:
    """Set the fault for one resource type; what it pages on to is faultless."""
    proxy.faults.clear()
    proxy.seen.clear()
    proxy.faults[kind] = row.fault()
