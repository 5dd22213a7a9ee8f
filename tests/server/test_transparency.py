"""The transparency sheet, on the evidence page and alone."""

from __future__ import annotations

from markupsafe import escape

from cds_service.knowledge.loader import Knowledge
from cds_service.server.pages import transparency
from tests.support.app_client import ClientFactory


def test_the_sheet_has_every_attribute_and_criterion(
    make_client: ClientFactory, knowledge: Knowledge
) -> None:
    sheet = transparency.load()
    alone, page = (make_client().get(path).text for path in ("/evidence/transparency", "/evidence"))
    for text in (alone, page):
        for one in (*sheet.source_attributes, *sheet.fda_criteria):
            assert one.name.split(",")[0] in text
        assert knowledge.version in text
        assert f"reviewed {knowledge.meta.reviewed}" in text
    named = [one.name for one in sheet.predictive.answered]
    for name in (*named, *sheet.predictive.not_applicable):
        assert escape(name) in alone
