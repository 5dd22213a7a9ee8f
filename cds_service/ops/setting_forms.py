"""The forms in which some settings are written, and what a file is called where none is named."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from cds_service.ops.urls import check_origin

_DATABASE = re.compile(
    r"none|sqlite(\+aiosqlite)?:///(?!:memory:)[^?#]+|postgres(ql)?(\+asyncpg)?://\S+"
)


def split(value: Any) -> Any:
    """`a, b` as a tuple; anything else as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def origin(value: str) -> str:
    """`*`, or what a browser sends as Origin: anything else would match nobody, silently."""
    return value if value == "*" else check_origin(value)


def state_dir() -> Path:
    """Where a user's programs keep their state (XDG base directory specification)."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return (Path(base) if os.path.isabs(base) else Path.cwd()) / "cds-service"


def database(url: SecretStr) -> SecretStr:
    """`none`, or the URL of an SQLite file or a PostgreSQL database."""
    if not _DATABASE.fullmatch(url.get_secret_value()):
        raise ValueError("must be sqlite:///FILE, postgresql://USER@HOST/DATABASE, or none")
    return url
