"""Bounds of draft orders: the same for compact JSON, which is known again as it was written."""

from __future__ import annotations

import pytest
from msgspec import Raw

from cds_service.cdshooks import bounds
from cds_service.errors import BadRequest, TooLarge
from cds_service.ops.settings import Settings

FORMS = ("%s", " %s ", "[%s]", '[{"a":%s}]', '[{"a": %s}]', '{"entry":[%s],"b":"é"}')


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "value", ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', "9" * 41, "-" + "9" * 40, "1e999", "NaN"]
)
def test_what_two_readers_could_understand_differently(form: str, value: str) -> None:
    with pytest.raises(BadRequest):
        bounds.check_orders(Raw((form % value).encode()), Settings())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", ['{"a":{"a":1}}', "9" * 40, "1.50", '{"a":"' + "9" * 60 + '"}'])
def test_what_is_said_once(form: str, value: str) -> None:
    bounds.check_orders(Raw((form % value).encode()), Settings())


@pytest.mark.parametrize("text", ["[{},{},{}]", "[{}, {}, {}]", '{"entry":[{},{},{}]}'])
def test_too_many(text: str) -> None:
    with pytest.raises(TooLarge):
        bounds.check_orders(Raw(text.encode()), Settings(max_draft_orders=2))
