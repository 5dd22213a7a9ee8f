"""Calls of one's own: a file with a CDS Hooks request, sent in place of the synthetic one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cds_service.cdshooks.conformance import calls, elements
from cds_service.cdshooks.conformance.shapes import strict_json
from cds_service.cdshooks.conformance.statements import Version, Violation

Json = dict[str, Any]


class RequestFileError(ValueError):
    """The file cannot be sent as a call; the message says why."""


def read_request(file: Path) -> Json:
    """The call in a file. Raises RequestFileError where it is none that a service could answer."""
    try:
        found = strict_json(file.read_bytes())
    except OSError as error:
        raise RequestFileError(f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise RequestFileError(f"is no JSON: {str(error)[:120]}") from None
    if not isinstance(found, dict):
        raise RequestFileError("must be a JSON object: a CDS Hooks request")
    if not isinstance(found.get("hook"), str) or not isinstance(found.get("context"), dict):
        raise RequestFileError("must have hook (a string) and context (an object)")
    return found


def mistakes(request: Json, version: Version) -> Iterator[Violation]:
    """What a client has to mend in the call itself: a service cannot be blamed for it."""
    yield from calls.check(request)
    if version is Version.V3:
        yield from elements.check(elements.CALL, request)
