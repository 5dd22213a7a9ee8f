"""The archive of an image, as `docker load` reads it.

`python -m scripts.releasing.archive RAW IMAGE.TAR` writes RAW anew without what differs in each
build (the container that it was made in, the host's name, times in the archive), and prints the id.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PASSING = ("container", "container_config", "parent")


def contents(archive: tarfile.TarFile) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the manifest says of the one image, and the image's configuration."""
    [manifest] = json.loads(_read(archive, "manifest.json"))
    return manifest, json.loads(_read(archive, manifest["Config"]))


def members(archive: tarfile.TarFile) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """What lies in the layers, from the lowest to the highest."""
    for name in contents(archive)[0]["Layers"]:
        with tarfile.open(fileobj=archive.extractfile(name)) as layer:
            for member in layer:
                yield layer, member


def settle(raw: Path, target: Path) -> str:
    """Write the same image with a configuration that depends on its content alone; its id."""
    with tarfile.open(raw) as source, tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as made:
        manifest, config = contents(source)
        for key in _PASSING:
            config.pop(key, None)
        config["config"].pop("Hostname", None)
        text = json.dumps(config, sort_keys=True, separators=(",", ":")).encode()
        digest = hashlib.sha256(text).hexdigest()
        for name in dict.fromkeys(manifest["Layers"]):
            _add(made, name, _read(source, name))
        _add(made, f"{digest}.json", text)
        told = {"Config": f"{digest}.json", "RepoTags": manifest["RepoTags"]}
        _add(made, "manifest.json", json.dumps([told | {"Layers": manifest["Layers"]}]).encode())
    return f"sha256:{digest}"


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    archive.addfile(member, io.BytesIO(content))


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None, f"{name} is no file of the archive"
    return file.read()


if __name__ == "__main__":
    print(settle(Path(sys.argv[1]), Path(sys.argv[2])))
