"""Draws cards in a terminal the way a clinician would see them in the EHR."""

from __future__ import annotations

import re
import unicodedata

import msgspec
from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from cds_service.cdshooks.models import Card, CDSResponse, Suggestion, to_bytes

_COLOURS = {"info": "blue", "warning": "yellow", "critical": "red"}
_MAX_WIDTH = 100
_NO_WIDTH = 10_000
_OBEYED = frozenset({"Cc", "Cf", "Cs"})  # controls, invisible format signs, lone surrogates
# C1 controls and the signs that turn the direction of text stand unescaped in JSON.
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Text that a terminal shows and does not obey: no escapes, no change of direction."""
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) not in _OBEYED)


def counted(number: int, noun: str) -> str:
    """`1 code`, `2 codes`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def for_output() -> Console:
    """Standard output: a terminal as wide as it is; a pipe or a file has no width, so that no id is
    cut or folded where a program reads it."""
    console = Console()
    return console if console.is_terminal else Console(width=_NO_WIDTH)


def draw(response: CDSResponse, console: Console, silence: str | None = None) -> None:
    """Print every card, the most severe first (as EHRs sort them), or why there is none."""
    if not response.cards:
        console.print(Text(silence or "No card."), soft_wrap=True)
    order = list(_COLOURS)
    for card in sorted(response.cards, key=lambda card: -order.index(card.indicator)):
        console.print(_panel(card), width=min(console.width, _MAX_WIDTH))


def _panel(card: Card) -> Panel:
    parts: list[RenderableType] = [Text(plain(card.summary), style="bold")]
    if card.detail:
        parts += [Text(), Markdown(plain(card.detail), hyperlinks=False)]
    if card.suggestions:
        parts += [Text(), *(_suggestion(suggestion) for suggestion in card.suggestions)]
    if card.override_reasons:
        reasons = " · ".join(plain(reason.display) for reason in card.override_reasons)
        parts += [Text(), Text(f"Override: {reasons}", style="dim")]
    parts += [Text(f"{plain(link.label)}: {plain(link.url)}") for link in card.links or ()]
    parts.append(Text(f"Source: {plain(card.source.label)}", style="dim"))
    return Panel(
        Group(*parts),
        title=Text(card.indicator.upper()),
        title_align="left",
        border_style=_COLOURS[card.indicator],
        padding=(0, 1),
    )


def _suggestion(suggestion: Suggestion) -> RenderableType:
    mark = " (recommended)" if suggestion.is_recommended else ""
    lines: list[RenderableType] = [Text(f"[ {plain(suggestion.label)} ]{mark}", style="bold")]
    lines += [
        Padding(Text(f"{action.type}: {plain(action.description)}"), (0, 0, 0, 4))
        for action in suggestion.actions or ()
    ]
    return Group(*lines)


def json_text(response: CDSResponse) -> str:
    """The answer as the EHR gets it, indented; what a terminal would obey is written as escapes."""
    text = msgspec.json.format(to_bytes(response), indent=2).decode()
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
