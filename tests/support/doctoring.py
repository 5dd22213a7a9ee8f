"""Runs the doctor: its command, what an examination says, and keys for it."""

from __future__ import annotations

import json
from typing import Any

from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from typer.testing import CliRunner, Result

from cds_service.cli.main import app
from cds_service.tools.doctor.results import Examination, Status
from tests.support.issuer import make_key


def failed(report: Examination) -> set[str]:
    return {r.statement for r in report.results if r.status is Status.FAIL}


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments])


def _passed(report: Examination) -> set[str]:
    return {id_ for id_, _, status in report.statements() if status is Status.PASS}


def private_jwk(kind: str, kid: str) -> dict[str, Any]:
    key = make_key(kind)
    algorithm: Any = ECAlgorithm if kind.startswith("P-") else RSAAlgorithm
    return {**json.loads(algorithm.to_jwk(key)), "kid": kid}
