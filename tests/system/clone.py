"""A copy of this repository as it stands in the work tree, without what git ignores."""

import shutil
import subprocess
from pathlib import Path

from tests.support.constants import ROOT


def clone(folder: Path) -> Path:
    """Copy every file that is tracked or could be; returns the folder."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, run.stdout.split("\0")):
        if (ROOT / name).is_file():  # one that was deleted is still in the index
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder
