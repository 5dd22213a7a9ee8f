"""Runs the ELM of the FHIR package in the JavaScript engine of the CQL project (Node, npm)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published import archive
from tests.support.fhir_package import unpacked
from tests.support.hapi_server import HapiMissing
from tests.support.second_engine import LIBRARIES, SOURCES, bundle_of, class_path


class ElmEngine:
    """The engine in a process of its own, with all that it needs below `folder`.

    Raises HapiMissing, and CalledProcessError where the packages cannot be installed.
    """

    def __init__(self, knowledge: Knowledge, folder: Path) -> None:
        if shutil.which("node") is None or shutil.which("npm") is None:
            raise HapiMissing("no engine of JavaScript: it needs Node and npm")
        package = unpacked(archive.package(knowledge), folder)
        elm = folder / "elm"
        java = [str(shutil.which("java")), "-Xmx1g", "-cp", class_path(), "Elm"]
        subprocess.run([*java, str(package / "other" / "cql"), str(elm)], check=True)
        shutil.copy(SOURCES / "package.json", folder)
        install = [str(shutil.which("npm")), "install", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(install, cwd=folder, check=True)
        self._process = subprocess.Popen(
            [str(shutil.which("node")), str(SOURCES / "judge.cjs"), str(elm), str(package)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NODE_PATH": str(folder / "node_modules")},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def defines(
        self,
        call: Mapping[str, Any],
        today: date,
        known: Mapping[str, bool],
        libraries: Sequence[str] = LIBRARIES,
    ) -> dict[str, dict[str, bool | None]]:
        """The defines of the libraries that are true, false or null. Raises AssertionError."""
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("pipes were asked for")
        patient = str(call["context"]["patientId"]).split("/")[-1]
        asked = {
            "id": patient,
            "patient": patient,
            "today": today.isoformat(),
            "bundle": bundle_of(call),
            "parameters": dict(known),
            "defines": list(libraries),
        }
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        said = json.loads(self._process.stdout.readline() or '{"error": "it ended"}')
        if "error" in said:
            raise AssertionError(f"the engine could not answer: {said['error']}")
        found: dict[str, dict[str, bool | None]] = said["defines"]
        return found
