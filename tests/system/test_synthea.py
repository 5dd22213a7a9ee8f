"""The bulk export of Synthea itself is read: twenty patients, made here, under its own names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds_service.cli.main import app
from cds_service.fhir.record_to_call import HIP
from cds_service.rehearsal.files import NEEDED, find
from tests.support.hapi_server import lacking

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(1200)]
if why := lacking():
    pytest.skip(why.replace("HAPI FHIR server", "Synthea"), allow_module_level=True)

POM = Path(__file__).parent / "synthea" / "pom.xml"
# Type.ndjson; of hospitals and practitioners Type.<epoch ms>.ndjson
NAME = re.compile(r"[A-Z][A-Za-z]+(\.\d{13})?\.ndjson")
FETCH, MAKE = 400, 600  # seconds


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthea")
    listing = folder / "classpath"
    maven = [str(shutil.which("mvn")), "--quiet", "--batch-mode", "--file", str(POM)]
    goal = ["dependency:build-classpath", f"-Dmdep.outputFile={listing}"]
    for offline in (["--offline"], []):
        done = subprocess.run([*maven, *offline, *goal], capture_output=True, timeout=FETCH,
                              check=False)  # fmt: skip
        if done.returncode == 0:
            break
    else:
        pytest.skip("the packages of Synthea cannot be fetched")
    wished = ["-p", "20", "-s", "7", "-cs", "7", "-a", "55-85", "--exporter.fhir.bulk_data=true",
              f"--exporter.baseDirectory={folder / 'out'}"]  # fmt: skip
    java = [str(shutil.which("java")), "-Xmx1g", "-XX:+UseSerialGC", "-cp", listing.read_text()]
    subprocess.run([*java, "App", *wished], cwd=folder, check=True, capture_output=True,
                   timeout=MAKE, env=os.environ | {"TZ": "UTC"})  # fmt: skip
    return folder / "out" / "fhir"


def test_an_export_of_synthea_is_rehearsed(export: Path, tmp_path: Path) -> None:
    paths = sorted(export.glob("*.ndjson"))
    assert paths
    assert all(NAME.fullmatch(path.name) for path in paths), paths
    _order_a_hip(export)
    held = Counter[str]()
    for path in sorted(export.glob("*.ndjson")):
        held[path.name.split(".")[0]] += len(path.read_bytes().splitlines())
    files = find([str(export)])
    assert {file.kind for file in files} == set(held) & NEEDED  # told by name and first line
    given = [
        "rehearse",
        str(export),
        "--out",
        str(tmp_path / "r"),
        "--jobs",
        "1",
        "--min-cell",
        "1",
    ]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "r" / "summary.json").read_text())
    assert told["events"]["events"] == 1
    assert told["export"]["findings"] == {}
    assert told["export"]["resources"] == {kind: held[kind] for kind in sorted(set(held) & NEEDED)}


def _order_a_hip(export: Path) -> None:
    """Synthea orders no hip in so few patients, and writes no ServiceRequest: one is put beside."""
    with (export / "Patient.ndjson").open() as lines:
        patient = json.loads(next(lines))["id"]
    order = {
        "resourceType": "ServiceRequest",
        "id": "hip",
        "status": "completed",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient}"},
        "authoredOn": "2020-05-03",
        "code": {"coding": [{"system": HIP[0], "code": HIP[1], "display": HIP[2]}]},
    }
    (export / "ServiceRequest.ndjson").write_text(json.dumps(order) + "\n")
