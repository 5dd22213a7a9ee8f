"""Resources for the tests of `validate`: one that is sound, one with a warning."""

from __future__ import annotations

import json

from tests.tools.test_validate import condition

CLEAN = json.dumps(condition())
WARNED = json.dumps(condition(clinicalStatus=None))
