"""Starts a HAPI FHIR server from Maven's packages, where Java 17 and Maven are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

SOURCES = Path(__file__).parents[1] / "system" / "hapi"
_FETCH_SECONDS = 400  # about 300 MB when nothing of it is there yet


class HapiMissing(Exception):
    """Why there is no HAPI FHIR server here, in one line."""


def _java_version() -> int:
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        return 0
    shown = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', shown.stderr)
    return int(found[1]) if found else 0


def lacking() -> str | None:
    """What this machine lacks for HAPI FHIR; None when it can be tried."""
    if _java_version() < 17 or shutil.which("mvn") is None:
        return "no engine of HAPI FHIR: it needs Java 17 or newer (JDK) and Maven"
    return None


def prepare(folder: Path, sources: Path = SOURCES) -> str:
    """Fetch the packages that the pom.xml of `sources` names, compile its Java files into `folder`,
    and give the class path. Raises HapiMissing."""
    listing = folder / "classpath"
    command = [
        str(shutil.which("mvn")),
        "--quiet",
        "--batch-mode",
        "--file",
        str(sources / "pom.xml"),
    ]
    goal = ["dependency:build-classpath", f"-Dmdep.outputFile={listing}"]
    for offline in (["--offline"], []):
        done = subprocess.run(
            [*command, *offline, *goal], capture_output=True, timeout=_FETCH_SECONDS, check=False
        )
        if done.returncode == 0:
            break
    else:
        raise HapiMissing("the packages of HAPI FHIR cannot be fetched")
    path = os.pathsep.join([str(folder), listing.read_text().strip()])
    programs = [str(one) for one in sorted(sources.glob("*.java"))]
    command = [str(shutil.which("javac")), "-nowarn", "-cp", path, "-d", str(folder), *programs]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return path


@contextmanager
def running_hapi(folder: Path, *arguments: str) -> Iterator[str]:
    """A HAPI FHIR R4 server on a free port; gives its base URL. Raises HapiMissing.

    With the argument `terminology` it has an index of code systems (Hibernate Search).
    """
    path = prepare(folder)
    options = ["-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [str(shutil.which("java")), *options, "-cp", path, "HapiServer", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
        )
    try:
        assert process.stdout is not None
        base = process.stdout.readline().strip()
        if not base.startswith("http://"):
            raise AssertionError(f"HAPI FHIR did not start: {(folder / 'log').read_text()[-2000:]}")
        # It takes seconds to make, and calls that come meanwhile would each have one made.
        httpx.get(f"{base}/metadata", timeout=300).raise_for_status()
        yield base
    finally:
        process.communicate("", timeout=30)  # it ends when its input does
