"""The evidence pages: every rule, card and source has its page, in words, and every link leads."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest

from cds_service.cards.decision_table import rows
from cds_service.knowledge.evidence_places import (
    PAGE,
    kinds,
    of_card,
    of_debate,
    of_line,
    of_row,
    of_rules,
    of_source,
    of_unknown,
    of_value_set,
)
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.when import ConditionTest, SexTest, When
from cds_service.server.pages import cases, changelog, evidence_site, words
from cds_service.server.pages.fillers import filled
from tests.server.test_pages import PageClient
from tests.support.app_client import ClientFactory

LINES = ("found", "advised", "avoid", "check", "benefit", "limits")
MOST_BYTES = 60_000
_TEXT = re.compile(r"<[^>]+>")


@pytest.fixture(scope="module")
def visitor(make_client: ClientFactory) -> PageClient:
    return PageClient(make_client(database_url="none").app)


def links(page: str) -> Iterator[str]:
    """Addresses of a page on this service, without files and searches."""
    for found in re.findall(r' href="([^"]*)"', page):
        address = html.unescape(found)
        if address.startswith((PAGE, "#")) and not re.search(r"\.(csv|json)\b|/search\?", address):
            yield address


@pytest.fixture(scope="module")
def pages(visitor: PageClient) -> dict[str, str]:
    """Every page that can be reached from the landing page, by its address."""
    found: dict[str, str] = {}
    todo = [PAGE]
    while todo:
        path = todo.pop()
        if path not in found:
            response = visitor.get(path)
            assert response.status_code == 200, path
            found[path] = response.text
            todo += [at for at in (link.partition("#")[0] for link in links(response.text)) if at]
    return found


def test_every_rule_card_and_source_has_its_place(
    pages: dict[str, str], knowledge: Knowledge
) -> None:
    places = {*of_rules(knowledge).values()}
    places |= {of_card(id_) for id_ in knowledge.cards}
    places |= {of_line(id_, line) for id_ in knowledge.cards for line in LINES}
    places |= {of_row(row.id) for row in rows(knowledge)}
    places |= {of_source(id_) for id_ in knowledge.evidence}
    places |= {of_debate(id_) for id_ in knowledge.controversies}
    places |= {of_unknown(check.id) for check in knowledge.unknown_checks}
    places |= {of_value_set(id_) for id_ in knowledge.value_sets}

    assert [place for place in places if not _leads(PAGE + place, pages)] == []


def test_every_link_leads_somewhere(pages: dict[str, str]) -> None:
    dead = {
        (path, link)
        for path, page in pages.items()
        for link in links(page)
        if not _leads(link if link.startswith(PAGE) else path + link, pages)
    }

    assert dead == set()


def _leads(address: str, pages: dict[str, str]) -> bool:
    path, _, anchor = address.partition("#")
    return path in pages and (not anchor or f' id="{anchor}"' in pages[path])


def test_ids_stand_once_and_pages_are_small(pages: dict[str, str]) -> None:
    for path, page in pages.items():
        ids = re.findall(r' id="([^"]+)"', page)
        assert len(ids) == len(set(ids)), path
        assert len(page.encode()) < MOST_BYTES, path


def test_no_placeholder_and_no_file_of_ours_is_shown(pages: dict[str, str]) -> None:
    for path, page in pages.items():
        text = html.unescape(_TEXT.sub(" ", page))
        assert not re.search(r"\{[a-z_]+\}", text), path
        if path != f"{PAGE}/changes":
            assert not re.search(
                r"codes\.csv|members\.csv|terminology README|file ids? \d", text
            ), path


def test_logic_is_told_without_ids(pages: dict[str, str], knowledge: Knowledge) -> None:
    """Ids with a hyphen cannot be words; the name for traces at the foot is not logic."""
    ids = {one for one in knowledge.value_sets if one.count("-") > 1}
    for path in {PAGE + place for place in of_rules(knowledge).values()}:
        logic = re.search(r'<section id="logic">.*?</section>', pages[path], re.S)
        said = set(_TEXT.sub(" ", logic[0]).replace(";", " ").split()) if logic else set()
        assert not said & ids, path


def test_a_rule_tells_all_of_itself(pages: dict[str, str], knowledge: Knowledge) -> None:
    for kind, rules in kinds(knowledge):
        for id_, rule in rules.items():
            page = html.unescape(pages[f"{PAGE}/{kind}/{id_}"])
            assert rule.statement in page
            assert rule.figure is None or rule.figure in page
            for source in rule.evidence:
                assert knowledge.evidence[source].citation in page
                assert knowledge.evidence[source].finding in page
            for value_set in words.value_sets(rule):
                assert f"{PAGE}/codes/{value_set}" in page


def test_evidence_tells_what_the_knowledge_tells(
    pages: dict[str, str], knowledge: Knowledge
) -> None:
    for one in knowledge.evidence.values():
        page = pages[PAGE + of_source(one.id)]
        assert one.pmid is None or f"https://pubmed.ncbi.nlm.nih.gov/{one.pmid}/" in page
    assert "HIPAID RR 0.69" in pages[f"{PAGE}/options/nsaid"]
    assert "OR 2.72 in that one cohort" in pages[f"{PAGE}/not-counted/osteoporosis"]
    assert "Questions to ask" in pages[f"{PAGE}/about"]
    assert knowledge.version in pages[PAGE]
    assert changelog.read()[0][1][0][:40] in html.unescape(pages[f"{PAGE}/changes"])


@pytest.mark.parametrize(
    "path", ["/nope", "/factors/nope", "/nope/dish", "/cards/dish", "/sources/nope", "/codes/nope"]
)
def test_what_is_not_there_is_told(path: str, visitor: PageClient) -> None:
    assert visitor.get(PAGE + path).status_code == 404


# --- words ---


def test_words_of_a_rule_keep_and_and_or_apart() -> None:
    write = words.Sentences({}).describe
    male, female = When(sex=SexTest(sex="male")), When(sex=SexTest(sex="female"))
    both = When(all=(male, female))

    assert str(write(When(any=(male, both)))) == (
        "One of these is so: (Administrative sex is male) (All of these are so: "
        "(Administrative sex is male) (Administrative sex is female))"
    )
    assert str(write(When(none=(male,)))) == (
        "None of these is surely so: (Administrative sex is male)"
    )


def test_words_of_a_condition_are_those_of_a_clinician() -> None:
    test = ConditionTest(
        value_sets=("a",), other_than=("b",), site="hip-or-unstated", within_days=90,
        undated="ask", state="current", side="operated",
    )  # fmt: skip
    said = words.Sentences({"a": "Ankylosis", "b": "Gout"}).describe(When(condition=test))

    assert str(said) == (
        "A recorded condition of the hip, or of a site not stated, not resolved, within the last "
        "90 days, without a date it is asked about, on the operated side or a side not stated: "
        "Ankylosis. Not one that is also: Gout"
    )


def test_what_a_card_fills_in_stands_in_brackets() -> None:
    assert (
        filled("{fact}: no {unit} {older}here.") == "[the entry in the chart]: no [its unit] here."
    )
    assert filled("{elective}Avoid {not_known}.") == "Avoid [not known]."


def test_every_name_that_is_filled_in_has_words(knowledge: Knowledge) -> None:
    texts = [e.text for e in knowledge.exclusions.values()]
    texts += [text for c in knowledge.cards.values() for text in (c.summary, *c.advice)]
    texts += [check.text for check in knowledge.unknown_checks]
    names = {name for text in texts for name in re.findall(r"\{([a-z_]+)\}", text)}

    assert {name for name in names if filled(f"{{{name}}}") == f"[{name}]"} == {"age"}


# --- cases ---


def test_every_rule_that_decides_has_cases_and_a_sentence(knowledge: Knowledge) -> None:
    index = cases.load()
    for rules in (knowledge.factors, knowledge.exclusions, knowledge.modifiers):
        for id_, rule in rules.items():
            assert index.of_rule(id_), f"run scripts/case-table: no case for {id_}"
            if getattr(rule, "effect", None) != "referral":
                assert id_ in index.sentences, id_
    for option in (*knowledge.options, *knowledge.regimens):
        assert option in index.sentences
    assert set(index.rules) <= set(of_rules(knowledge)) | {c.id for c in knowledge.unknown_checks}
    assert set(index.cards) <= set(knowledge.cards)


def test_names_of_cards_are_words(knowledge: Knowledge) -> None:
    assert evidence_site.card_name("fop-biopsy") == "FOP biopsy"
    assert len({evidence_site.card_name(id_) for id_ in knowledge.cards}) == len(knowledge.cards)
