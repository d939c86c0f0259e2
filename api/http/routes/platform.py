"""What machines ask of the platform: is it alive, is it ready, what does it offer."""

from functools import cache

import msgspec

from api.http.openapi import document
from api.http.route import Call, Route, Shown, read
from api.http.schemas.common import Document, Health
from api.service.refusals import Unavailable


async def _healthz(call: Call) -> Shown:
    return Shown({"status": "ok"})


async def _readyz(call: Call) -> Shown:
    if not call.service.is_ready:
        raise Unavailable("Not ready: what fell due is being written, or the service is shutting down.")
    call.service.reads.position()
    return Shown({"status": "ready"})


ROUTES: tuple[Route, ...] = (
    read("/healthz", "isAlive", "Whether the process runs", _healthz, answer=Health),
    read(
        "/readyz",
        "isReady",
        "Whether it serves: everything due is written and the store answers",
        _readyz,
        answer=Health,
        refusals=(Unavailable,),
    ),
)


def with_document(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """These routes and one more, which shows the OpenAPI document of all of them."""

    @cache
    def written() -> bytes:
        return msgspec.json.encode(document(whole))

    async def show(_: Call) -> Shown:
        return Shown(written())

    whole = (*routes, read("/openapi.json", "getDocument", "This document", show, answer=Document))
    return whole
