"""The yardstick: bare Starlette routes that answer the bytes they were given, under our own uvicorn settings.

Run by ``tests.bench.servers`` as ``python -m tests.bench.bare --answers FOLDER``; the folder holds created.json,
detail.json and list.json, as the platform answered them.
"""

import argparse
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from api.http.schemas.jobs import CreateJobBody
from api.http.server import Server

JSON = "application/json"


def make_app(answers: Path) -> Starlette:
    """The routes that ours are compared with; the body of a new job is validated by the same model."""
    created, detail, page = ((answers / f"{name}.json").read_bytes() for name in ("created", "detail", "list"))

    async def create(request: Request) -> Response:
        CreateJobBody.model_validate_json(await request.body())
        return Response(created, 201, media_type=JSON)

    async def one(request: Request) -> Response:
        return Response(detail, media_type=JSON)

    async def many(request: Request) -> Response:
        return Response(page, media_type=JSON)

    async def hello(request: Request) -> Response:
        return PlainTextResponse("hello")

    routes = [
        Route("/jobs", create, methods=["POST"]),
        Route("/jobs", many),
        Route("/jobs/{id}", one),
        Route("/hello", hello),
    ]
    return Starlette(routes=routes, lifespan=_lifespan)


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    # As the platform's server does at its start.
    gc.collect()
    gc.freeze()
    yield


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="tests.bench.bare")
    parser.add_argument("--answers", type=Path, required=True)
    app = make_app(parser.parse_args().answers)
    Server(app, host="127.0.0.1", port=0, refuse=lambda: None).run()


if __name__ == "__main__":
    main()
