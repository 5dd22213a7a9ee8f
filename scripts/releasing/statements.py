"""What a release says of itself: the image's bill of materials and where everything came from."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packageurl import PackageURL
from packaging.utils import canonicalize_name

from scripts.releasing import agreement, archive

_INSTALLED = re.compile(r"opt/venv/.*/site-packages/([^/]+)-([^/-]+)\.dist-info/METADATA")
_BILL = "cds-service.cdx.json"


def write_image_bill(out: Path) -> None:
    """CycloneDX of image.tar: the packages of the lock that are in it, and Debian's."""
    bill = json.loads((out / _BILL).read_text(encoding="utf-8"))
    inside = set(_installed(out / "image.tar"))
    python = [part for part in bill["components"] if canonicalize_name(part["name"]) in inside]
    debian = [_debian(line) for line in _lines(out / "debian-packages.txt")]
    refs = {part["bom-ref"] for part in python + debian}
    kept = [d for d in bill["dependencies"] if d["ref"] in refs | {_own_ref(bill)}]
    for entry in kept:
        entry["dependsOn"] = [ref for ref in entry.get("dependsOn", []) if ref in refs]
    kept += [{"ref": part["bom-ref"]} for part in debian]
    bill["components"], bill["dependencies"] = python + debian, kept
    bill["metadata"]["component"]["type"] = "container"
    bill["metadata"]["component"]["hashes"] = [
        {"alg": "SHA-256", "content": sha256(out / "image.tar")}
    ]
    text = json.dumps(bill, indent=2, sort_keys=True)
    (out / "image.cdx.json").write_text(f"{text}\n", encoding="utf-8")


def write_provenance(root: Path, out: Path, commit: str) -> None:
    """An in-toto statement with SLSA provenance (slsa.dev/spec/v1.0/provenance), unsigned.

    It has no time and no id of a run: the same source and packages give the same bytes. The
    workflow of a release adds a signed one.
    """
    subjects = [path for path in sorted(out.iterdir()) if path.suffix != ".txt"]
    source = {"uri": "git+https://ho-cds.example.org/cds-service", "digest": {"gitCommit": commit}}
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": path.name, "digest": {"sha256": sha256(path)}} for path in subjects],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://ho-cds.example.org/build/scripts-release/v1",
                "externalParameters": {"command": "scripts/release --build"},
                "internalParameters": {
                    "version": agreement.version_of(root),
                    "python": platform.python_version(),
                    "machine": platform.machine(),
                },
                "resolvedDependencies": [source, *_pinned(root), *_debian_packages(out)],
            },
            "runDetails": {"builder": {"id": "https://ho-cds.example.org/builder/by-hand"}},
        },
    }
    text = json.dumps(statement, indent=2)
    (out / "provenance.json").write_text(f"{text}\n", encoding="utf-8")


def _own_ref(bill: dict[str, Any]) -> str:
    return str(bill["metadata"]["component"]["bom-ref"])


def _installed(file: Path) -> Iterator[str]:
    """Names of the Python packages in an image."""
    with tarfile.open(file) as opened:
        for _, member in archive.members(opened):
            if found := _INSTALLED.fullmatch(member.name.removeprefix("./")):
                yield canonicalize_name(found[1])


def _lines(file: Path) -> list[list[str]]:
    return [line.split() for line in file.read_text(encoding="utf-8").splitlines()]


def _debian(line: list[str]) -> dict[str, Any]:
    name, version, machine, hashed = line
    url = PackageURL("deb", "debian", name, version, {"arch": machine}).to_string()
    return {
        "bom-ref": url, "type": "library", "name": name, "version": version, "purl": url,
        "properties": [{"name": "cds-service:deb-sha256", "value": hashed.partition(":")[2]}],
    }  # fmt: skip


def _pinned(root: Path) -> list[dict[str, Any]]:
    files = ("requirements.lock", "requirements-otel.lock", "requirements-dev.lock", "Dockerfile")
    return [{"name": name, "digest": {"sha256": sha256(root / name)}} for name in files]


def _debian_packages(out: Path) -> list[dict[str, Any]]:
    file = out / "debian-packages.txt"
    parts = _lines(file) if file.is_file() else []
    return [
        {"uri": _debian(line)["purl"], "digest": {"sha256": line[3].partition(":")[2]}}
        for line in parts
    ]


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
