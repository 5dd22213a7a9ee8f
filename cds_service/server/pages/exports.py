"""Code lists and rules as files: CSV for a spreadsheet, JSON for a program."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from cds_service.server.pages.code_lists import Code

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import Evidence, Rule

CSV, JSON = "text/csv; charset=utf-8", "application/json"
COLUMNS: Final = (
    "value_set", "value_set_title", "role", "system", "system_uri", "code", "stands_for", "display",
    "side", "matched", "verified_in", "source_addresses", "note", "knowledge_version",
)  # fmt: skip
_VERSION: Final = "knowledge_version"
# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV Injection).
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def rows(
    codes: Iterable[Code],
    titles: Mapping[str, str],
    knowledge: Knowledge,
    roles: Mapping[str, str] | None = None,
) -> list[dict[str, str]]:
    """One row for each code, all columns as text. `roles`: of a rule, by value set."""
    return [
        dict(
            zip(
                COLUMNS,
                (
                    code.value_set,
                    titles[code.value_set],
                    (roles or {}).get(code.value_set, ""),
                    code.system,
                    code.uri,
                    code.code,
                    "every code that begins so" if code.prefix else "this code",
                    code.display,
                    code.side,
                    "yes" if code.used else "no: listed only",
                    code.source,
                    " ".join(code.addresses),
                    code.note,
                    knowledge.version,
                ),
                strict=True,
            )
        )
        for code in codes
    ]


RULE_COLUMNS: Final = (
    "id", "name", "tier", "statement", "figure", "evidence", "convention", "enabled", "sources",
    "source_addresses", "knowledge_version",
)  # fmt: skip


def rule_row(rule: Rule, knowledge: Knowledge) -> dict[str, str]:
    """A rule as one row of text."""
    sources = [knowledge.evidence[id_] for id_ in rule.evidence]
    return {
        "id": rule.id,
        "name": rule.label,
        "tier": str(getattr(rule, "tier", "")),
        "statement": rule.statement,
        "figure": rule.figure or "",
        "evidence": rule.strength,
        "convention": "yes" if rule.convention else "no",
        "enabled": "yes" if rule.enabled else "no",
        "sources": "; ".join(one.citation for one in sources),
        "source_addresses": " ".join(filter(None, map(_address, sources))),
        "knowledge_version": knowledge.version,
    }


def _address(source: Evidence) -> str:
    if source.pmid:
        return f"https://pubmed.ncbi.nlm.nih.gov/{source.pmid}/"
    return f"https://doi.org/{source.doi}" if source.doi else source.url or ""


def as_csv(found: Iterable[Mapping[str, str]], columns: Iterable[str]) -> bytes:
    """RFC 4180 with a byte order mark, without which a spreadsheet misreads other letters."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(columns))
    writer.writeheader()
    writer.writerows({name: _tame(text) for name, text in row.items()} for row in found)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def as_json(found: Iterable[Mapping[str, str]], knowledge: Knowledge) -> bytes:
    """The same as objects without their empty members; the version stands once."""
    rows = [{k: v for k, v in row.items() if v and k != _VERSION} for row in found]
    return msgspec.json.encode({_VERSION: knowledge.version, "rows": rows})


def _tame(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
