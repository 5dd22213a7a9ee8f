"""Calls of one's own: a file with a CDS Hooks request, sent in place of the synthetic one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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
    if not isinstance(found.get("prefetch", {}), dict | None):
        raise RequestFileError("prefetch must be an object")
    try:
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        why = "a number that JSON does not have, or half a character (a lone surrogate)"
        raise RequestFileError(f"cannot be sent as it is: {why}") from None
    except RecursionError:
        raise RequestFileError("is nested too deeply") from None
    return found


def is_whole(request: Mapping[str, Any], service: Mapping[str, Any], version: Version) -> bool:
    """Whether a service has no reason to refuse a call: nothing is wrong in it, and each prefetch
    template is answered."""
    asked, given = service.get("prefetch"), request.get("prefetch")
    lacks = set(asked if isinstance(asked, dict) else ()) - set(given or ())
    return not lacks and not any(mistakes(dict(request), version))


def mistakes(request: Json, version: Version) -> Iterator[Violation]:
    """What a client has to mend in the call itself: a service cannot be blamed for it."""
    yield from calls.check(request)
    if version is Version.V3:
        yield from elements.check(elements.CALL, request)
