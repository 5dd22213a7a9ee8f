"""Prefetch tokens as a client resolves them: fields of the context, the user, and dates of 3.0."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

TOKEN: Final = re.compile(r"\{\{([^{}]*)\}\}")  # linear, however many braces are never closed
DATE: Final = re.compile(r"today\(\)( ([+-]) (\d{1,5}) days)?")
"""The dates that 3.0 allows in a token ("Simple FHIRPath for Relative Dates")."""
_FIELD: Final = re.compile(r"context\.([A-Za-z][A-Za-z0-9]*)")
USERS: Final[Mapping[str, str]] = {
    "userPractitionerId": "Practitioner",
    "userPractitionerRoleId": "PractitionerRole",
    "userPatientId": "Patient",
    "userRelatedPersonId": "RelatedPerson",
}
"""Tokens that identify the user, each with the resource type that the user then is."""


def resolve(template: str, context: Mapping[str, Any], today: date) -> str | None:
    """The relative URL of a template; None where a token cannot be resolved (its key is then left
    out: CDS Hooks 2.0 "Prefetch tokens", 3.0 "Prefetch tokens containing Simpler FHIRPath")."""
    values = [_value(token.strip(), context, today) for token in TOKEN.findall(template)]
    if None in values:
        return None
    filled = iter(values)
    return TOKEN.sub(lambda _: str(next(filled)), template)


def _value(token: str, context: Mapping[str, Any], today: date) -> str | None:
    if found := DATE.fullmatch(token):
        days = int(found[3] or 0)
        return (today + timedelta(days=-days if found[2] == "-" else days)).isoformat()
    if found := _FIELD.fullmatch(token):
        value = context.get(found[1])
        return value if isinstance(value, str) else None
    kind, _, id_ = str(context.get("userId", "")).rpartition("/")
    return id_ if USERS.get(token) == kind and id_ else None
