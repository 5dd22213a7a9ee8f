"""What is wrong with a setting, in words for who set it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

from cds_service.errors import SettingsError

_MUST = {
    "public_url": "must be a http or https URL without user, query and fragment",
    "identifier_base": "must be a https URL with a host name in small letters, without port "
    "and query",
    "evidence_url": "must be a https URL without blanks",
    "bool_parsing": "must be true or false",
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
}
"""By the setting where a pattern decides, else by the kind of the error."""


def of_value(field: str, kind: str, said: str) -> str:
    """What a value must be. `kind` and `said` are the type and the message of a pydantic error."""
    key = field if kind == "string_pattern_mismatch" else kind
    return _MUST.get(key) or re.sub("^Input should be", "must be", said).removeprefix(
        "Value error, "
    )


def meant(name: str, known: Collection[str]) -> str:
    """The setting that a misspelt name may stand for."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"; is {near[0]} meant?" if near else ""


def refuse_small_letters(names: Iterable[str], known: Collection[str]) -> None:
    """Raise SettingsError for `cds_port`: nobody would read it, and nobody would say so."""
    for name in names:
        if name not in known and name.upper() in known:
            raise SettingsError(f"{name} is not read: write {name.upper()}, in capitals")
