"""The limit: a bare FastAPI endpoint that decodes the body and answers with nothing."""

import orjson
from fastapi import FastAPI, Request, Response

app = FastAPI()


@app.post("/cds-services/{service}")
async def call(service: str, request: Request) -> Response:
    orjson.loads(await request.body())
    return Response(b'{"cards":[]}', media_type="application/json")
