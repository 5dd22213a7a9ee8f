"""Examples below the help of a command, as they are typed."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """The `epilog` of a command: a heading and a line for each example."""
    head = "Example:" if len(lines) == 1 else "Examples:"
    return "\n\n".join((head, *(f"cds-service {line}" for line in lines)))
