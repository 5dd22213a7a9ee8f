"""The ICD-10-CM tabular list, from a package that need not be installed."""

from __future__ import annotations

import warnings
from functools import cache
from importlib.util import find_spec
from typing import Any

MISSING = "ICD-10-CM codes are not checked: pip install simple-icd-10-cm brings the list"


def installed() -> bool:
    """Whether the list is there."""
    return find_spec("simple_icd_10_cm") is not None


@cache
def _list() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its own way to read its files
        import simple_icd_10_cm  # reads 10 MB of XML when it is imported, so only on demand

    return simple_icd_10_cm


@cache
def exists(code: str) -> bool | None:
    """Whether the tabular list (April 2026, diagnoses of the fiscal year) has a code or header;
    None without the list."""
    if not installed():
        return None
    return bool(_list().is_valid_item(code))


@cache
def title(code: str) -> str | None:
    """The title of a code, None where it is not known."""
    if not exists(code) or _list().is_chapter_or_block(code):
        return None
    return str(_list().get_description(code))
