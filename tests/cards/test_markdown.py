"""Hostile text in Markdown: it comes back identical from every renderer, and nothing is active."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cds_service.cards.markdown import (
    clean,
    escape,
    fill,
    fill_plain,
    link,
    section,
    shorten,
)
from cds_service.cdshooks.models import utf16_length

RENDERERS = (
    MarkdownIt("gfm-like", {"html": True, "linkify": True}),
    MarkdownIt("commonmark", {"html": True}),
)

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "[x]: https://evil.example",
    "<https://evil.example>",
    "www.evil.example",
    "www.",
    "WWW.evil.example",
    "http://evil.example",
    "see https://evil.example/a?b=c&d",
    "ftp://evil.example",
    "//evil.example",
    "/ // /x http:8 https:1.2 mailto:1@2.co xmpp:0@1.co",
    "evil.com",
    "mailto:a@evil.example",
    "a@evil.example",
    "xmpp:a@evil.example/x",
    "@@ a@@b.co www.@x.co http:@y.co",
    "`code` ``x`` ```",
    "*a* **b** _c_ __d__ ~~e~~ ~f~",
    "a_b_c 2*3*4",
    "# heading",
    "> quote",
    "1. list",
    "1) list",
    "12.",
    "- list",
    "+ list",
    "* list",
    "---",
    "===",
    "| a | b |",
    "|-|-|",
    "a\\|b",
    "\\",
    "\\`x`",
    "&lt;b&gt; &amp; &#60; &copy;",
    "x[^1] [ ] [x]",
    "$x$ :smile: #12 @user ^x^ ==y==",
    "{.class} {{token}}",
    "    indented",
    "\ttabbed",
    "two\nlines",
    "para\n\ngraph",
    "trailing  ",
    "naïve café ≤ 4 h, 7-8 Gy (RR 0.96, 0.88-1.06); \"x\" 50 % 'y'?",
)


def shown(document: str, renderer: MarkdownIt) -> tuple[str, list[str]]:
    """Text that a reader sees, and the text of each node in which an address could be found."""
    seen: list[str] = []
    nodes: list[str] = [""]
    for token in renderer.parse(document):
        assert token.type in {"inline", "paragraph_open", "paragraph_close"}, token
        for part in token.children or ():
            assert part.type in {"text", "code_inline"}, part
            seen.append(part.content)
            if part.type == "text":
                nodes[-1] += part.content
            else:
                nodes.append("")
    return "".join(seen), nodes


# What mdast-util-gfm-autolink-literal (remark-gfm, used by the CDS Hooks Sandbox) looks for in the
# text of a parsed document, where escapes no longer show.
ADDRESSES = re.compile(r"(https?://|www(?=\.))([-.\w]+)|([-.\w+]+)@([-\w]+(?:\.[-\w]+)+)", re.I)


@pytest.mark.statement("MD-04")
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_shows_as_itself(text: str) -> None:
    assert_inert(text)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
@example("a\u202egnp.exe")
@example("x\ud83d")
def test_any_text_shows_as_itself(text: str) -> None:
    assert_inert(text)


@given(
    st.lists(
        st.sampled_from([*HOSTILE, *"`*_[]()<>!#+-.|~&@:/\\ \n1aé😀", "www.", "://", "http", "co"]),
        max_size=8,
    )
)
def test_hostile_pieces_in_any_order_show_as_themselves(pieces: list[str]) -> None:
    assert_inert("".join(pieces))


def assert_inert(text: str) -> None:
    expected = clean(text)
    for renderer in RENDERERS:
        # A letter before and after: blanks at the ends of a paragraph are not part of it.
        for before, after in (("", ""), ("a ", " b"), ("a (", ")")):
            seen, nodes = shown(f"{before}{escape(text)}{after}", renderer)
            assert seen == f"{before}{expected}{after}".strip()
            for node in nodes:
                assert not ADDRESSES.search(node)


@pytest.mark.statement("MD-03", "MD-04", "CD-03")
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert_for_the_reference_renderer_of_github(text: str) -> None:
    cmarkgfm: Any = pytest.importorskip("cmarkgfm")
    options = pytest.importorskip("cmarkgfm.cmark").Options.CMARK_OPT_UNSAFE
    page = cmarkgfm.github_flavored_markdown_to_html(f"- {escape(text)}\n- b", options=options)
    assert re.findall(r"<[^>]*>", page.replace("<code>", "").replace("</code>", "")) == [
        "<ul>", "<li>", "</li>", "<li>", "</li>", "</ul>",
    ]  # fmt: skip
    seen = html.unescape(re.sub(r"<[^>]*>", "", page))
    assert " ".join(seen.split()) == f"{clean(text)} b"


@pytest.mark.statement("MD-05")
@pytest.mark.parametrize(
    "text",
    [
        "Postoperative heterotopic ossification (disorder), 2019-06-02",
        "RR 0.96 (0.88-1.06), n 250",
        "eGFR 48 mL/min on 2026-10-20: recheck within the course.",
        "Knowledge 2026.11+1a2b3c4d.",
        "hydrochlorothiazide 12.5 MG / lisinopril 10 MG",
        "MONDO:0008153 at 12:30",
        "before (ideally within 4 h) or after; 50 % of 'them'?",
    ],
)
def test_harmless_prose_stays_readable_as_plain_text(text: str) -> None:
    assert escape(text) == text


def test_angle_brackets_and_ampersands_become_entities() -> None:
    assert escape("<b>&") == "&lt;b&gt;&amp;"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain", "plain"),
        ("a\r\n\tb\u2028c\u00a0d", "a b c d"),
        ("left\u202eright\u2066x\u200b\ufeff\u00ad", "leftrightx"),
        ("bell\x07 \x1b[31mred\x9b", "bell [31mred"),
        ("half \ud83d pair", "half pair"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_clean_leaves_one_line_of_printable_text(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_clean_caps_the_length() -> None:
    assert clean("x" * 500, 10) == "xxxxxxxxx…"
    assert clean("abcdefgh ijkl", 10) == "abcdefgh…"
    assert len(clean("y" * 161)) == 160


def test_fill_escapes_what_is_filled_in_and_the_sentence() -> None:
    filled = fill("A *{order}* of {site}.", {"order": "<b>", "site": "hip"})
    assert filled == "A \\*&lt;b&gt;\\* of hip."


def test_fill_keeps_the_end_of_a_sentence_whatever_the_chart_says() -> None:
    filled = fill("Before {order}: ask an expert.", {"order": "x " * 5000})
    assert filled.endswith("…: ask an expert.")


def test_a_name_without_value_stays_visible() -> None:
    assert fill_plain("Before {order} and {else}.", {"order": "THA"}) == "Before THA and {else}."


def test_values_are_not_filled_in_twice() -> None:
    assert fill_plain("{a} {b}", {"a": "{b}", "b": "x"}) == "{b} x"


def test_an_empty_value_leaves_no_double_blank() -> None:
    assert fill_plain("a {b} c", {"b": "\u200b"}) == "a c"


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("short", 10, "short"),
        ("exactly ten", 11, "exactly ten"),
        ("cut after a word", 12, "cut after a…"),
        ("cut after a word", 13, "cut after a…"),
        ("cut, after", 6, "cut…"),
        ("oneverylongword", 5, "onev…"),
        ("😀😀😀😀", 5, "😀😀…"),
        ("😀😀😀😀", 4, "😀…"),
    ],
)
def test_shorten_counts_utf16_and_cuts_at_a_word(text: str, limit: int, short: str) -> None:
    assert shorten(text, limit) == short
    assert utf16_length(short) <= limit


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80), st.integers(2, 60))
def test_shorten_never_exceeds_its_limit(text: str, limit: int) -> None:
    assert utf16_length(shorten(text, limit)) <= limit


def test_a_link_has_its_url_encoded() -> None:
    assert (
        link("doi 10.1002/(SICI)1", "https://doi.org/10.1002/(SICI)1<2>")
        == "[doi 10\\.1002\\/\\(SICI\\)1](https://doi.org/10.1002/%28SICI%291%3C2%3E)"
    )


def test_a_section_is_a_line_or_a_list_or_nothing() -> None:
    assert section("Found", []) == ""
    assert section("Found", ["a"]) == "**Found:** a"
    assert section("Found", ["a"], inline=False) == "**Found:**\n\n- a"
    assert section("Found", ["a", "b"]) == "**Found:**\n\n- a\n- b"
