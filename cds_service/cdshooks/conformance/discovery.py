"""Rules for the answer to discovery: services and their prefetch templates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from cds_service.cdshooks.conformance.shapes import empties, extension, objects, text
from cds_service.cdshooks.conformance.statements import Path, Version, Violation
from cds_service.cdshooks.prefetch_tokens import DATE, TOKEN, USERS
from cds_service.cdshooks.published_hooks import PUBLISHED

_PLAIN_TOKEN = re.compile(r"context\.[A-Za-z][A-Za-z0-9]*")
_SEGMENT = re.compile(r"[^\s\x00-\x1f\x7f/?#\\\ud800-\udfff]{1,500}")
_EARLIER = re.compile(r"%([A-Za-z][\w-]*)")
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+[/?]")
_HOOK = re.compile(r"[a-z]+(-[a-z]+)+|[a-z0-9-]+(\.[A-Za-z0-9_-]+)+")
_VERSION = re.compile(r"STU[0-9]|[0-9]+\.[0-9]+(\.[0-9]+)?(-[A-Za-z0-9.]+)?")
_PREFIX = re.compile(r"(eq|lt|gt|le|ge)?[0-9{]")
_OTHER_PREFIX = re.compile(r"(ne|sa|eb|ap)[0-9{]")


def check(body: Any, version: Version = Version.V2) -> Iterator[Violation]:
    """Everything that a discovery answer breaks."""
    if not isinstance(body, dict) or not isinstance(body.get("services"), list):
        yield Violation("DS-02", ("services",), "services must be an array", body)
        return
    yield from empties(body)
    seen: set[tuple[Any, Any]] = set()
    for path, service, wrong in objects(body, "services", (), "DS-02"):
        if wrong:
            yield wrong
            continue
        yield from _service(service, path, version)
        pair = (str(service.get("id")), str(service.get("hook")))
        if pair in seen:
            yield Violation("DS-12", path, "the same id and hook stand twice", "/".join(pair))
        seen.add(pair)


def is_part_of_url(id_: str) -> bool:
    """Whether an id leads below /cds-services: no query, no dots that lead elsewhere."""
    parts = [unquote(part) for part in id_.split("/")]
    return all(_SEGMENT.fullmatch(part) and part.strip(".") for part in parts)


def _service(service: Mapping[str, Any], path: Path, version: Version) -> Iterator[Violation]:
    for name, rule in (("hook", "DS-04"), ("id", "DS-06")):
        yield from text(service, name, path, rule)
    id_ = service.get("id")
    if isinstance(id_, str) and id_.strip() and not is_part_of_url(id_):
        yield Violation("DS-06", (*path, "id"), "cannot stand in {base}/cds-services/{id}", id_)
    said = service.get("description")
    if not isinstance(said, str) or not said.strip():
        yield Violation("DS-05", (*path, "description"), "description must be a string", said)
    yield from text(service, "title", path, "DS-07")
    if "usageRequirements" in service and version is not Version.V1:
        yield from text(service, "usageRequirements", path, "DS-09")
    hook = service.get("hook")
    if isinstance(hook, str) and not _HOOK.fullmatch(hook):
        yield Violation("DS-15", (*path, "hook"), "neither noun-verb nor reverse-domain", hook)
    stated = service.get("version")
    if version is Version.V3 and not (isinstance(stated, str) and _VERSION.fullmatch(stated)):
        yield Violation("DS-10", (*path, "version"), "no version of CDS Hooks", stated)
    yield from _hook_version(service, path)
    yield from extension(service, path)
    yield from _prefetch(service, path, version)


def _hook_version(service: Mapping[str, Any], path: Path) -> Iterator[Violation]:
    published, stated = PUBLISHED.get(str(service.get("hook"))), service.get("hookVersion")
    if stated is not None and published is not None and stated != published.version:
        message = f"the published hook is of version {published.version}"
        yield Violation("DS-11", (*path, "hookVersion"), message, stated)


def _prefetch(service: Mapping[str, Any], path: Path, version: Version) -> Iterator[Violation]:
    templates, at = service.get("prefetch"), (*path, "prefetch")
    if templates is None:
        return
    if not isinstance(templates, dict):
        yield Violation("DS-08", at, "prefetch must be an object", templates)
        return
    earlier: set[str] = set()
    for key, template in templates.items():
        if not isinstance(template, str):
            yield Violation("DS-08", (*at, key), "a template must be a string", template)
        else:
            yield from _template(template, (*at, key), version)
            yield from _order(template, (*at, key), set(templates), earlier)
        earlier.add(key)


def _order(template: str, path: Path, keys: set[str], earlier: set[str]) -> Iterator[Violation]:
    """What a template takes from others that do not stand before it (PF-12)."""
    for token in TOKEN.findall(template):
        for name in _EARLIER.findall(token):
            if name in keys - earlier:
                yield Violation("PF-12", path, f"%{name} is not listed before it", token)


def _template(template: str, path: Path, version: Version) -> Iterator[Violation]:
    tokens = TOKEN.findall(template)
    if not template.count("{{") == template.count("}}") == len(tokens):
        yield Violation("PF-01", path, "braces that do not belong together", template)
    if not _RELATIVE.match(template):
        yield Violation("PF-07", path, "not a relative FHIR URL (Type/id or Type?...)", template)
    for token in tokens:
        yield from _token(token.strip(), path, version)
    yield from _search(template, path)


def _token(token: str, path: Path, version: Version) -> Iterator[Violation]:
    if _PLAIN_TOKEN.fullmatch(token) or (token in USERS and version is not Version.V1):
        return
    if version is Version.V3:
        if token.startswith("today()") and not DATE.fullmatch(token):
            yield Violation("PF-02", path, "a date is today(), or today() + or - N days", token)
        if token.startswith(("context.", "today()", "%")):
            return
    if token.startswith("context."):
        message = f"CDS Hooks {version} has no FHIRPath and no nested fields in tokens"
        yield Violation("PF-02", path, message, token)
    else:
        message = f"a context token of CDS Hooks {version} is written context.field"
        yield Violation("PF-04", path, message, token)


def _search(template: str, path: Path) -> Iterator[Violation]:
    """Parameters outside the subset that every client resolves (PF-05)."""
    plain = TOKEN.sub("0", template)
    for part in plain.partition("?")[2].split("&"):
        name, equals, value = part.partition("=")
        if not part:
            continue
        base, colon, modifier = name.partition(":")
        if base in {"_has", "_include", "_revinclude"} or "." in base:
            yield Violation("PF-05", path, f"{base} is not in the recommended subset", name)
        elif base == "sort" or (colon and base == "_sort"):
            yield Violation("PF-06", path, "sorting is _sort=-date", part)
        elif colon and modifier != "in":
            yield Violation("PF-05", path, f"modifier :{modifier} is not in the subset", name)
        elif not equals or not value:
            yield Violation("PF-05", path, "a parameter without value", part)
        elif _OTHER_PREFIX.match(value) and not _PREFIX.match(value):
            yield Violation("PF-05", path, "a date prefix that is not in the subset", value)
