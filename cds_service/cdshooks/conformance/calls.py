"""Rules for what a client sends: the members of a call and of the contexts of common hooks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from cds_service.cdshooks.conformance.shapes import absolute_url, text
from cds_service.cdshooks.conformance.statements import Path, Violation
from cds_service.cdshooks.published_hooks import PUBLISHED
from cds_service.ops.urls import is_loopback_host

_UUID = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[^/\s]+")
_BUNDLES = frozenset({"draftOrders", "appointments"})
_AUTHORIZATION = ("access_token", "token_type", "expires_in", "scope", "subject")


def check(call: Mapping[str, Any]) -> Iterator[Violation]:
    """Everything that a client has to mend in a call."""
    for name in ("hook", "hookInstance"):
        yield from text(call, name, (), "RQ-01")
    instance = call.get("hookInstance")
    if isinstance(instance, str) and instance.strip() and not _UUID.fullmatch(instance.strip()):
        yield Violation("RQ-02", ("hookInstance",), "not a UUID", instance)
    if not isinstance(call.get("context"), dict):
        yield Violation("RQ-01", ("context",), "context must be an object", call.get("context"))
    else:
        yield from _context(call["context"], str(call.get("hook")))
    yield from _access(call)
    yield from _prefetch(call.get("prefetch"))


def _context(context: Mapping[str, Any], hook: str) -> Iterator[Violation]:
    some = ("patientId",) if "patientId" in context else ()
    for name in PUBLISHED[hook].required if hook in PUBLISHED else some:
        if context.get(name) in (None, "", [], {}):
            at = ("context", name)
            yield Violation("HK-01", at, f"{hook} requires context.{name}", context.get(name))
    for name in ("patientId", "encounterId"):
        value = context.get(name)
        if isinstance(value, str) and "/" in value:
            yield Violation("HK-01", ("context", name), "the bare id is wanted, no Type/", value)
        elif value is not None and not isinstance(value, str):
            yield Violation("HK-01", ("context", name), "must be a string", value)
    user = context.get("userId")
    if user and not (isinstance(user, str) and _REFERENCE.fullmatch(user)):
        yield Violation("RQ-12", ("context", "userId"), "Type/id is wanted", user)
    for name in _BUNDLES & context.keys():
        yield from _bundle(context[name], ("context", name))
    if hook == "order-select":
        yield from _selections(context)


def _bundle(value: Any, path: Path) -> Iterator[Violation]:
    if not isinstance(value, dict) or value.get("resourceType") != "Bundle":
        yield Violation("HK-01", path, "must be a Bundle", type(value).__name__)


def _selections(context: Mapping[str, Any]) -> Iterator[Violation]:
    selections = context.get("selections")
    if not isinstance(selections, list):
        return
    bundle = context.get("draftOrders")
    entries = bundle.get("entry") if isinstance(bundle, dict) else None
    there = set()
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            there.add(f"{resource.get('resourceType')}/{resource.get('id')}")
    for index, name in enumerate(selections):
        at = ("context", "selections", index)
        if not isinstance(name, str) or not _REFERENCE.fullmatch(name):
            yield Violation("HK-04", at, "Type/id is wanted", name)
        elif name not in there:
            yield Violation("HK-04", at, "names no entry of draftOrders", name)


def _access(call: Mapping[str, Any]) -> Iterator[Violation]:
    server, grant = call.get("fhirServer"), call.get("fhirAuthorization")
    if grant is not None and server is None:
        yield Violation("RQ-04", ("fhirServer",), "fhirAuthorization without fhirServer")
    if server is not None:
        yield from absolute_url(server, ("fhirServer",), "RQ-04")
        yield from _scheme(server)
    if grant is None:
        return
    if not isinstance(grant, dict):
        yield Violation("FA-03", ("fhirAuthorization",), "must be an object")
        return
    for name in _AUTHORIZATION:
        if grant.get(name) in (None, ""):
            yield Violation("FA-03", ("fhirAuthorization", name), "is required")
    kind = grant.get("token_type")
    if kind and kind != "Bearer":
        yield Violation("FA-03", ("fhirAuthorization", "token_type"), "must be Bearer", kind)


def _scheme(server: Any) -> Iterator[Violation]:
    try:
        parts = urlsplit(str(server))
        plain = parts.scheme == "http" and not is_loopback_host(parts.hostname)
    except ValueError:
        return
    if plain:
        yield Violation("RQ-05", ("fhirServer",), "http is for tests only", server)


def _prefetch(prefetch: Any) -> Iterator[Violation]:
    if prefetch is None:
        return
    if not isinstance(prefetch, dict):
        yield Violation("PD-10", ("prefetch",), "must be an object", type(prefetch).__name__)
        return
    for key, value in prefetch.items():
        if value is None:
            continue
        if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
            at = ("prefetch", key)
            yield Violation("PD-10", at, "must be a FHIR resource", type(value).__name__)
