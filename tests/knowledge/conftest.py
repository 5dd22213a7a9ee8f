"""The knowledge without an overlay, for all tests of this folder."""

from __future__ import annotations

import pytest

from cds_service.knowledge.loader import Knowledge


@pytest.fixture(scope="session")
def base(knowledge: Knowledge) -> Knowledge:
    return knowledge
