"""Answers to try a CDS client on: valid ones that are tricky, and wrong ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal
from uuid import NAMESPACE_URL, uuid5

import yaml

from cds_service.tools.synthetic.write import FolderError

Json = dict[str, Any]
KINDS: Final = ("valid", "wrong")
INDEX: Final = "cards.json"
_INDICATORS: Final = ("info", "critical", "warning")


@dataclass(frozen=True, slots=True)
class ClientCard:
    """One answer. `why` says what is tricky, or what is wrong; of a wrong one `breaks` is the
    statement of the checklist, and `client` what a client does with it. `needs_draft`: its actions
    aim at orders of the call."""

    id: str
    kind: Literal["valid", "wrong"]
    why: str
    content: bytes
    breaks: str | None = None
    client: str = "show it"
    needs_draft: bool = False


def client_cards() -> tuple[ClientCard, ...]:
    """All of them, valid ones first. The same each time."""
    text = (files(__package__) / "client_cards.yaml").read_text(encoding="utf-8")
    read: dict[str, list[Json]] = yaml.safe_load(text)
    valid = [
        ClientCard(r["id"], "valid", r["tricky"], _content(r), needs_draft=r.get("draft", False))
        for r in read["valid"]
    ]
    wrong = [
        ClientCard(r["id"], "wrong", r["why"], _content(r), r["breaks"], r["client"])
        for r in read["wrong"]
    ]
    return (*valid, *wrong)


def _content(row: Json) -> bytes:
    """The bytes of the answer."""
    if "raw" in row:
        return str(row["raw"]).encode()
    if "answer" in row:
        return _encoded(row["answer"])
    if "cards" in row:
        return _encoded({"cards": list(_numbered(row["id"], row["cards"]))})
    card = _plain(row["id"]) | row.get("card", {})
    return _encoded({"cards": [{k: v for k, v in card.items() if k not in row.get("without", ())}]})


def _numbered(id_: str, count: int) -> Iterator[Json]:
    for number in range(count):
        indicator = _INDICATORS[number % len(_INDICATORS)]
        summary = f"Synthetic: card {number + 1} of {count}, {indicator}"
        yield _plain(f"{id_}-{number}") | {"summary": summary, "indicator": indicator}


def _plain(id_: str) -> Json:
    return {
        "uuid": str(uuid5(NAMESPACE_URL, f"https://example.org/client-cards/{id_}")),
        "summary": f"Synthetic: {id_.replace('-', ' ')}",
        "indicator": "info",
        "source": {"label": "Synthetic source"},
    }


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode()


def write(folder: Path) -> int:
    """Write all of them into `valid` and `wrong` of a folder, and what each is into `cards.json`;
    returns how many. Raises FolderError where other files lie there, OSError."""
    made = client_cards()
    for kind in KINDS:
        of_kind = {f"{card.id}.json": card.content for card in made if card.kind == kind}
        inner = folder / kind
        inner.mkdir(parents=True, exist_ok=True)
        strangers = sorted(path.name for path in inner.iterdir() if path.name not in of_kind)
        if strangers:
            raise FolderError(f"{inner} holds other files, such as {strangers[0]}")
        for name, content in of_kind.items():
            (inner / name).write_bytes(content)
    (folder / INDEX).write_bytes(_encoded([_listed(card) for card in made]))
    return len(made)


def _listed(card: ClientCard) -> Json:
    named = {
        "file": f"{card.kind}/{card.id}.json",
        "about": card.why,
        "client": card.client,
        "breaks": card.breaks,
    }
    return {name: value for name, value in named.items() if value is not None}
