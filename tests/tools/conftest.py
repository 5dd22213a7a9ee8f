"""A validator for all tests of this folder."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_service.knowledge.loader import Knowledge
from cds_service.tools.validate.engine import Options, Validator
from cds_service.tools.validate.findings import Report
from tests.support.validating import TODAY, Check


@pytest.fixture(scope="module")
def validator(knowledge: Knowledge) -> Validator:
    return Validator(Options(today=TODAY), knowledge)


@pytest.fixture
def check(validator: Validator) -> Check:
    def run(value: Any) -> Report:
        data = value if isinstance(value, bytes) else json.dumps(value, indent=1).encode()
        return validator.check(data)

    return run
