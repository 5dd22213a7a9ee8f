"""The doctor on our own service, open and closed: nothing fails."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx
import pytest

from cds_service.cdshooks.conformance.statements import Version
from cds_service.tools.doctor.examine import Plan, examine
from cds_service.tools.doctor.tokens import read_signer
from tests.support.constants import FIXTURES
from tests.support.doctoring import _passed, failed, private_jwk
from tests.support.issuer import client_toml, jwk, key_set
from tests.support.service_process import running

# --- our own service ---


@pytest.mark.process
def test_nothing_fails_in_our_own_service(server: httpx.Client) -> None:
    report = examine(str(server.base_url))
    assert failed(report) == set()
    assert len(report.services) == 3
    assert report.calls <= report.limit
    assert _passed(report) >= {
        "DS-01", "DS-06", "RS-01", "CD-02", "CD-06", "JS-06", "AC-02", "PD-01", "PD-04", "MD-04",
        "CR-01", "JS-09", "RQ-07",
    }  # fmt: skip


@pytest.mark.process
def test_nothing_fails_by_the_rules_of_1() -> None:
    # The card of FOP has two suggestions, and both may be taken.
    request = json.loads((FIXTURES / "fop-biopsy.json").read_text())
    with running(CDS_SPEC_VERSION="1.0.0") as base:
        report = examine(base, Plan(version=Version.V1, requests=[request]))
    assert failed(report) == set()
    assert "CD-02" in _passed(report)


@pytest.mark.process
@pytest.mark.statement("DS-10", "DS-11", "LM-01", "LM-02")
def test_nothing_fails_by_the_rules_of_3() -> None:
    with running(CDS_SPEC_VERSION="3.0.0") as base:
        report = examine(base)
    assert report.version is Version.V3
    assert failed(report) == set()
    assert {"DS-10", "DS-11", "ER-05", "CD-02", "LM-01", "LM-02"} <= _passed(report)


@pytest.mark.process
def test_tokens_open_a_closed_service_and_bad_ones_do_not(tmp_path: Path) -> None:
    issuer = "https://doctor.example.org"
    keys = key_set(jwk("P-384", "k1"), jwk("RSA-2048", "k2"))
    (tmp_path / "clients.toml").write_text(client_toml(id="doctor", iss=issuer, jwks=keys))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = f"http://localhost:{port}"
    options = ("--port", str(port), "--host", "localhost")
    environment = {"CDS_CLIENTS": str(tmp_path / "clients.toml"), "CDS_PUBLIC_URL": base}
    environment |= {"CDS_DATABASE_URL": f"sqlite:///{tmp_path / 'db'}"}
    with running(*options, **environment):
        closed = examine(base)
        assert {"AU-01", "AU-06", "AU-07"} <= _passed(closed)
        for kind, kid, algorithm in (("P-384", "k1", "ES384"), ("RSA-2048", "k2", "RS384")):
            file = tmp_path / f"{kid}.json"
            file.write_text(json.dumps(private_jwk(kind, kid)))
            signer = read_signer(file, issuer, None, None)
            assert signer.algorithm == algorithm
            report = examine(base, Plan(signer=signer))
            assert failed(report) == set()
            assert {"AU-02", "AU-05", "AU-06", "AU-07", "AU-08", "AU-10", "ER-03"} <= _passed(
                report
            )


@pytest.mark.process
@pytest.mark.statement("PE-05")
def test_a_connection_that_closes_too_early_is_found() -> None:
    with running(CDS_KEEP_ALIVE_SECONDS="1") as base:
        report = examine(base, Plan(idle=60))
    [found] = [r for r in report.results if r.statement == "PE-05"]

    assert failed(report) == {"PE-05"}
    assert "of 60 seconds" in found.message


@pytest.mark.process
@pytest.mark.statement("PE-05")
def test_a_connection_that_stays_is_found(server: httpx.Client) -> None:
    assert "PE-05" in _passed(examine(str(server.base_url), Plan(idle=6)))
