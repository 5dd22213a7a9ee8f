"""Writes into a package the commit that it is built from."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BAKED = "cds_service/commit.txt"


class CommitHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's configuration
    """Puts the commit into wheel and sdist; an editable installation asks git itself.

    SOURCE_COMMIT names it where the source comes without git, as in the build of an image.
    """

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file that names the commit to what is built."""
        if version == "editable" or (Path(self.root) / BAKED).is_file():  # the latter: an sdist
            return
        sys.path.insert(0, self.root)
        from cds_service.ops import build  # the source that is built; it needs no dependency

        self.folder = tempfile.TemporaryDirectory()
        file = Path(self.folder.name) / "commit.txt"
        file.write_text(f"{os.environ.get('SOURCE_COMMIT') or build.commit()}\n", encoding="ascii")
        file.chmod(0o644)
        build_data["force_include"][str(file)] = BAKED

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Take the file away again."""
        if hasattr(self, "folder"):
            self.folder.cleanup()
