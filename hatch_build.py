"""Writes into a package the commit that it is built from, and its clinical content compiled."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BAKED = "cds_service/commit.txt"
COMPILED = "cds_service/knowledge/content.compiled"


class BakedHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's configuration
    """Puts the commit into wheel and sdist, and compiled content into the wheel.

    An editable installation asks git itself, and reads the content: its files change. So do those
    of an sdist that somebody mends; its content is compiled when a wheel is made of it.
    SOURCE_COMMIT names the commit where the source comes without git, as in the build of an image.
    """

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files to what is built."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        self.folder = tempfile.TemporaryDirectory()
        made = {}
        if not (Path(self.root) / BAKED).is_file():  # an sdist has it
            made[BAKED] = self._commit()
        if self.target_name == "wheel":
            made[COMPILED] = self._content()
        for name, content in made.items():
            file = Path(self.folder.name) / Path(name).name
            file.write_bytes(content)
            file.chmod(0o644)
            build_data["force_include"][str(file)] = name

    def _commit(self) -> bytes:
        from cds_service.ops import build  # the source that is built; it needs no dependency

        return f"{os.environ.get('SOURCE_COMMIT') or build.commit()}\n".encode("ascii")

    def _content(self) -> bytes:
        """Raises KnowledgeError for content with a mistake in it: no package is made of that."""
        os.environ.pop("CDS_IDENTIFIER_BASE", None)  # of the one who builds, not of who runs it
        from cds_service.knowledge import compiled, loader, reading

        return compiled.compiled(reading.read(loader.CONTENT)[0])

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Take the files away again."""
        if hasattr(self, "folder"):
            self.folder.cleanup()
