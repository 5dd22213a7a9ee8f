"""The transparency sheet: a page of its own that prints."""

from __future__ import annotations

from markupsafe import escape

from cds_service.knowledge.loader import Knowledge
from cds_service.server.pages import transparency
from tests.support.app_client import ClientFactory


def test_the_sheet_has_every_attribute_and_criterion(
    make_client: ClientFactory, knowledge: Knowledge
) -> None:
    sheet = transparency.load()
    page = make_client().get("/evidence/transparency").text
    for one in (*sheet.source_attributes, *sheet.fda_criteria):
        assert one.name.split(",")[0] in page
    assert knowledge.version in page
    assert f"reviewed {knowledge.meta.reviewed}" in page
    named = [one.name for one in sheet.predictive.answered]
    for name in (*named, *sheet.predictive.not_applicable):
        assert escape(name) in page
