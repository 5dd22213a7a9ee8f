"""Mends: the certain ones mend, the others are not in the patch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_service.tools.validate.patches import patch_of
from tests.support.validating import CM, SCT, Check, condition, kinds

# --- mends ---


def patched(document: Any, patch: list[Any]) -> Any:
    """A small reader of RFC 6902: test, replace and add."""
    result = json.loads(json.dumps(document))
    for operation in patch:
        *way, last = [
            step.replace("~1", "/").replace("~0", "~")
            for step in operation["path"].split("/")[1:]
        ]  # fmt: skip
        holder = result
        for step in way:
            holder = holder[int(step)] if isinstance(holder, list) else holder[step]
        key: Any = int(last) if isinstance(holder, list) else last
        if operation["op"] == "test":
            assert holder[key] == operation["value"]
        else:
            holder[key] = operation["value"]
    return result


@pytest.mark.parametrize(
    "coding",
    [
        {"system": "http://terminology.hl7.org/CodeSystem/icd9cm", "code": "720.0"},
        {"system": SCT, "code": 444748003},
        {"system": "SNOMED", "code": "444748003"},
        {"code": "444748003", "display": "Postoperative heterotopic ossification"},
        {"system": CM, "code": "444748003", "display": "Postoperative heterotopic ossification"},
    ],
)
def test_certain_mends_mend(check: Check, coding: dict[str, Any]) -> None:
    document = condition(coding)
    mended = patched(document, patch_of(check(document)))
    assert mended != document
    assert kinds(check(mended)) == set()


def test_a_mend_that_is_not_certain_is_not_in_the_patch(check: Check) -> None:
    assert patch_of(check(condition({"system": CM, "code": "444748003"}))) == []
    assert patch_of(check(condition(clinicalStatus=None))) == []
