"""Names the user that this process runs as."""

from __future__ import annotations

import os
import pwd


def user_name() -> str:
    """The name of the user, or `uid N`: a container's user often has no entry."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
