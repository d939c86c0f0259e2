"""The yardstick: bare Starlette routes that answer the bytes they were given, under our own uvicorn settings.

Run by ``tests.bench.servers`` as ``python -m tests.bench.bare --answers FOLDER``; the folder holds the
answers of ANSWERS, as the platform gave them.
"""

import argparse
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from api.http.schemas.base import Request as Body
from api.http.schemas.jobs import CreateJobBody
from api.http.schemas.tester import SubmitBody, TakeBody
from api.http.server import Server, say_where

JSON = "application/json"
ANSWERS = ("created", "detail", "list", "taken", "started", "submitted")

Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(answers: Path) -> Starlette:
    """The routes that ours are compared with; the body of a new job is validated by the same model."""
    created, detail, page, taken, started, submitted = ((answers / f"{name}.json").read_bytes() for name in ANSWERS)

    def checked(body: type[Body], answer: bytes, status: int) -> Endpoint:
        async def post(request: Request) -> Response:
            body.model_validate_json(await request.body())
            return Response(answer, status, media_type=JSON)

        return post

    async def start(request: Request) -> Response:
        await request.body()
        return Response(started, media_type=JSON)

    async def one(request: Request) -> Response:
        return Response(detail, media_type=JSON)

    async def many(request: Request) -> Response:
        return Response(page, media_type=JSON)

    async def hello(request: Request) -> Response:
        return PlainTextResponse("hello")

    routes = [
        Route("/jobs", checked(CreateJobBody, created, 201), methods=["POST"]),
        Route("/tester/jobs/{id}/assignments", checked(TakeBody, taken, 201), methods=["POST"]),
        Route("/tester/assignments/{id}/start", start, methods=["POST"]),
        Route("/tester/assignments/{id}/submit", checked(SubmitBody, submitted, 200), methods=["POST"]),
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
    Server(app, host="127.0.0.1", port=0, refuse=lambda: None, listening=say_where).run()


if __name__ == "__main__":
    main()
