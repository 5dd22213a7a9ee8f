"""What can go wrong between us and a terminology server, and what to try."""

from __future__ import annotations

import re
from typing import Any, Final

from cds_service.cards.terminal import plain

_LONGEST: Final = 240
_TOO_COSTLY: Final = re.compile(
    r"too many codes|too[- ]costly|too large|expansion.{0,40}limit", re.I
)
# HAPI: "CodeSystem could not be found"; others: "Unknown code system", "A definition for ...".
_NO_SYSTEM: Final = re.compile(
    r"(?:unknown|definition for|unable to find) (?:the )?code ?system"
    r"|code ?system\b.{0,80}(?:unknown|not (?:be )?(?:found|supported|available|exist))",
    re.I,
)
_NO_CODE: Final = re.compile(r"code does not exist|unknown code\b|code .{0,40}not found", re.I)


class ExpandError(Exception):
    """Base of what this tool tells. The text says what happened and what to try."""


class CannotGoOn(ExpandError):
    """No further row can be asked: address, token, network, or a server without the operation."""


class RowUnanswered(ExpandError):
    """One row has no answer that can be used; others may have."""


class TooCostly(RowUnanswered):
    """The server does not expand that many codes."""


class ServerBusy(RowUnanswered):
    """No answer in time, or one that says: not now."""


class NoSuchSystem(CannotGoOn):
    """The server does not hold the code system."""


def outcome_of(body: Any) -> tuple[str, str]:
    """(issue types, text) of an OperationOutcome, both blank where it is none."""
    if not isinstance(body, dict) or body.get("resourceType") != "OperationOutcome":
        return "", ""
    issues = [issue for issue in body.get("issue") or () if isinstance(issue, dict)]
    codes = {str(issue["code"]) for issue in issues if issue.get("code")}
    texts = []
    for issue in issues:
        details = issue.get("details")
        text = details.get("text") if isinstance(details, dict) else None
        texts.append(str(issue.get("diagnostics") or text or ""))
    return " ".join(sorted(codes)), short("; ".join(filter(None, texts)))


def short(text: str) -> str:
    """A text of the server, harmless in a terminal and not too long."""
    line = " ".join(plain(text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def refusal(status: int, body: Any, system: str) -> ExpandError:
    """The error for an answer to $expand other than an expanded ValueSet."""
    codes, said = outcome_of(body)
    told = f"HTTP {status}" + (f": {said}" if said else "")
    if status in {401, 403}:
        return CannotGoOn(f"the server refuses the call ({told}); give a valid --token-file")
    if 300 <= status < 400:
        return CannotGoOn(f"the server sends the call elsewhere ({told}); give that URL")
    if _TOO_COSTLY.search(said) or "too-costly" in codes:
        return TooCostly(
            f"the expansion is too large for the server ({told}); "
            "raise its limit for expansions, or try another --page-size"
        )
    if _NO_SYSTEM.search(said):
        return NoSuchSystem(
            f"the server does not hold the code system {system} ({told}); "
            "load it there, or use another server"
        )
    if _NO_CODE.search(said):
        return RowUnanswered(f"this release of the code system does not have the code ({told})")
    if status in {404, 405, 501} or (status == 400 and "not-supported" in codes):
        return CannotGoOn(
            f"the server has no ValueSet/$expand at this URL ({told}); "
            "--server is the base URL of a FHIR terminology server, often ending in /fhir or /r4"
        )
    if status in {408, 429, 502, 503, 504}:
        return ServerBusy(f"the server cannot answer now ({told}); run the command again")
    if status == 200:
        return RowUnanswered(
            f"the answer is not an expanded ValueSet ({said or 'no expansion'}); "
            "is --server the base URL of a FHIR terminology server?"
        )
    return RowUnanswered(f"the server refuses to expand it ({told})")
