"""HealthChain with a handler that looks for two risk factors; runs in an environment of its own."""

from typing import Any

from healthchain.gateway import CDSHooksService, HealthChainAPI
from healthchain.models.requests.cdsrequest import CDSRequest
from healthchain.models.responses.cdsresponse import Card, CDSResponse, Source

FACTORS = {
    ("http://snomed.info/sct", "444748003"): "previous heterotopic ossification",
    ("http://hl7.org/fhir/sid/icd-10-cm", "M45.9"): "ankylosing spondylitis",
}

service = CDSHooksService(use_events=False)


def factors(prefetch: dict[str, Any]) -> set[str]:
    found = set()
    for entry in prefetch["conditions"].get("entry", []):
        for coding in entry["resource"].get("code", {}).get("coding", []):
            factor = FACTORS.get((coding.get("system"), coding.get("code")))
            if factor is not None:
                found.add(factor)
    return found


@service.hook("order-sign", id="ho-order-sign")  # type: ignore[untyped-decorator]
def call(request: CDSRequest) -> CDSResponse:
    found = factors(request.prefetch or {})
    if not found:
        return CDSResponse(cards=[])
    summary = f"Raised risk of heterotopic ossification: {', '.join(sorted(found))}"
    return CDSResponse(
        cards=[Card(summary=summary, indicator="warning", source=Source(label="HealthChain"))]
    )


app = HealthChainAPI(enable_events=False)
app.register_service(service)
