"""Unpacks a FHIR package, and runs the Java tools of others on it."""

from __future__ import annotations

import functools
import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.support.hapi_server import prepare

TOOLS = Path(__file__).parents[1] / "system" / "fhir_package"
_OPTIONS = ("-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def unpacked(content: bytes, folder: Path) -> Path:
    """The folder `package` of a .tgz, below `folder`."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


@functools.cache
def class_path() -> str:
    """The class path of the tools, compiled once a process. Raises HapiMissing."""
    return prepare(Path(tempfile.mkdtemp(prefix="fhir-package-")), TOOLS)


def run_java(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the tools to its end. Raises CalledProcessError where it ends with an error."""
    command = [str(shutil.which("java")), *_OPTIONS, "-cp", class_path(), program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True)
