"""A project that installs in a second, to try scripts/environment without network.

It is its own build backend and makes its own wheels, so an index with two versions of a package is
a folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.support.constants import ROOT

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "small"
version = "1"
"""

WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"

BACKEND = f"""\
import zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "small-1-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.writestr("small-1.dist-info/METADATA", {METADATA.format(name="small", version=1)!r})
        wheel.writestr("small-1.dist-info/WHEEL", {WHEEL!r})
        wheel.writestr("small-1.dist-info/RECORD", "")
    return name
"""


class SmallProject:
    """A folder with scripts/environment, a project, and an index of wheels."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.index = folder, folder / "index"
        (folder / "scripts").mkdir(parents=True)
        self.index.mkdir()
        shutil.copy(ROOT / "scripts" / "environment", folder / "scripts")
        (folder / "pyproject.toml").write_text(PYPROJECT)
        (folder / "backend.py").write_text(BACKEND)

    def wheel(self, name: str, version: str, *headers: str) -> str:
        """Put a wheel into the index; returns its line for a lock. `headers` are of METADATA."""
        path = self.index / f"{name}-{version}-py3-none-any.whl"
        info = f"{name}-{version}.dist-info"
        metadata = METADATA.format(name=name, version=version) + "\n".join((*headers, ""))
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(f"{info}/METADATA", metadata)
            file.writestr(f"{info}/WHEEL", WHEEL)
            file.writestr(f"{info}/RECORD", "")
        return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"

    def lock(self, *lines: str) -> None:
        """Write small.lock."""
        (self.folder / "small.lock").write_text("\n".join(lines) + "\n")

    def run(self, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run shell functions of scripts/environment, as scripts/test does."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"source scripts/environment; {command}"],
            cwd=self.folder, env=self._environment() | variables,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        own = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
        own.pop("PYTHON", None)
        here = {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.index),
            "PIP_CONFIG_FILE": os.devnull,
        }
        return own | here

    def python(self, code: str) -> str:
        """What the Python of .venv prints."""
        command = [str(self.folder / ".venv" / "bin" / "python"), "-c", code]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        return run.stdout.strip()

    def installed(self) -> set[str]:
        """Names and versions in .venv, without pip and setuptools."""
        code = (
            "from importlib.metadata import distributions as d\n"
            "print(*(f'{x.name}=={x.version}' for x in d()))"
        )
        found = set(self.python(code).split())
        return {item for item in found if not re.match("pip|setuptools", item)}


def interpreters() -> dict[str, str]:
    """Paths of interpreters by version (`3.11`), from PATH and from pyenv; this one among them."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {}
    for minor in (11, 12, 13):
        name = f"python3.{minor}"
        candidates = [shutil.which(name), *sorted(map(str, pyenv.glob(f"*/bin/{name}")))]
        for path in filter(None, candidates):
            code = "import ensurepip, sys; print('%d.%d' % sys.version_info[:2])"
            tried = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
            if tried.returncode == 0:
                found[tried.stdout.strip()] = path
                break
    major, minor, *_ = sys.version_info
    return {f"{major}.{minor}": sys.executable} | found
