"""Examples below the help of a command, as they are typed."""

from __future__ import annotations

from typing import Final

DAY: Final = "YYYY-MM-DD"
DAY_FORMAT: Final = "%Y-%m-%d"
"""How an option that takes a day shows it in the help, and how it is read."""

OF_COMMANDS: Final = {
    "serve": ("serve", "serve --port 8080 --workers 2"),
    "check": (
        "check request.json",
        "check record.json --order hip --explain",
        "check - --json < request.json",
        "knowledge list rows    (the table that `row 7` is a row of)",
    ),
    "doctor": (
        "doctor http://127.0.0.1:8000",
        "doctor https://cds.example.org --format markdown > report.md",
    ),
    "rehearse": (
        "rehearse /data/export --out rehearsal",
        "rehearse 'export/*.ndjson.gz' --out r --since 2024-01-01 --until 2024-12-31",
        "rehearse s3://bucket/export --out r --overlay site --compare site-of-before",
        "rehearse /data/export --out rehearsal --restart    (after Ctrl-C or a crash)",
    ),
    "sandbox": ("sandbox", "sandbox --port 8080 --fhir-port 0"),
    "off": ('off --reason "wrong cards in theatre 3"',),
    "on": ("on",),
    "validate": (
        "validate request.json",
        "validate records/ --order hip --format sarif > findings.sarif",
        "validate record.json --fix-suggestions",
    ),
}
"""Of the commands that stand alone and tell none in their help; a group has them in its file."""


def examples(*lines: str) -> str:
    """The `epilog` of a command: a heading and a line for each example."""
    head = "Example:" if len(lines) == 1 else "Examples:"
    return "\n\n".join((head, *(f"cds-service {line}" for line in lines)))
