"""Serving the HTTP API, alone or with other workers."""

import gc
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

import typer
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE

from api.evidence.notes import SigningKey
from api.http.access_log import AccessLog
from api.http.app import make_app
from api.http.rate_limit import RateLimit
from api.http.routes import ROUTES, WITHOUT_SANDBOX
from api.http.server import Server, say_where
from api.logs import configure
from api.program.platform import (
    Platform,
    check_forms,
    database_at,
    key_of,
    open_platform,
)
from api.program.terminal import Db, fail, failing_in_one_sentence
from api.settings import Settings, WrongSettings, read_settings
from api.signals import hangups_are_ignored
from api.store.application import NotOurs, OtherVersion
from api.store.checkpoint_files import (
    key_for_sandbox,
    read_signing_key,
)
from api.store.databases import Database
from api.workers import FOR_GOOD, Workers, listening_socket

SANDBOX_KEY = "tallyhold-sandbox"


def serve(
    db: Db = None,
    host: Annotated[str | None, typer.Option(help="address to listen on [TALLYHOLD_HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="port; 0 picks one [TALLYHOLD_PORT]")] = None,
    sandbox: Annotated[
        bool | None, typer.Option("--sandbox", help="virtual clock and test payments [TALLYHOLD_SANDBOX]")
    ] = None,
    access_log: Annotated[
        bool | None, typer.Option("--access-log/--no-access-log", help="a line a request [TALLYHOLD_ACCESS_LOG]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="processes that serve together; PostgreSQL only [TALLYHOLD_WORKERS]")
    ] = None,
) -> None:
    """Serve the HTTP API until SIGTERM."""
    with failing_in_one_sentence():
        settings = read_settings(db=db, host=host, port=port, sandbox=sandbox, access_log=access_log, workers=workers)
        configure(settings.log_level)
        database = database_at(settings)
        if settings.workers > 1 and not database.many_processes:
            raise WrongSettings("Several workers need PostgreSQL: a SQLite file is served by one process.")
        check_forms(database)
        with database.served():
            database.claim_mode(sandbox=settings.sandbox)
            if settings.workers > 1:
                _serve_together(database, settings)
            else:
                _serve_alone(database, settings, say_where)


def _serve_alone(
    database: Database,
    settings: Settings,
    listening: Callable[[socket.socket], object],
    place: socket.socket | None = None,
) -> None:
    gateway = database.gateway() if settings.sandbox else None
    with open_platform(
        database,
        gateway=gateway,
        key=_signing_key(settings, database),
        checkpoints=settings.checkpoints,
        master_key_file=settings.master_key_file,
        serves=True,
    ) as platform:
        _serve(platform, settings, listening, place)


def _serve_together(database: Database, settings: Settings) -> None:
    try:
        place = listening_socket(settings.host, settings.port)
    except OSError as error:
        raise NotOurs(_nothing_can_listen(settings)) from error

    def work(place: socket.socket, listening: Callable[[], object]) -> int:
        try:
            with failing_in_one_sentence(), database.served():
                try:
                    _serve_alone(database, settings, lambda _: listening(), place)
                except OtherVersion as error:
                    fail(str(error), FOR_GOOD)
        except typer.Exit as ended:
            return ended.exit_code
        return 0

    # Keys that are not there yet are made once, before there are several who would.
    with open_platform(database, key=_signing_key(settings, database), master_key_file=settings.master_key_file):
        pass
    with place:
        if Workers(settings.workers, work, place).run(lambda: say_where(place)):
            raise NotOurs("A worker has failed; what it said of that is above.")


def _nothing_can_listen(settings: Settings) -> str:
    return f"Nothing can listen on {settings.host} port {settings.port}; is it taken?"


def _signing_key(settings: Settings, database: Database) -> SigningKey | None:
    """The key that signs checkpoints. Raises WrongEvidence for one that cannot be read."""
    if settings.checkpoint_key is not None:
        return read_signing_key(settings.checkpoint_key)
    return key_for_sandbox(key_of(database), SANDBOX_KEY) if settings.sandbox else None


def tune_interpreter() -> None:
    """Make this process fit for serving.

    What lives as long as the process needs no collecting, and the states of streams are many and hold no cycles: by
    default collecting them took a tenth of all time. What is young is looked at in small parts: fifty thousand values
    kept everybody waiting for twenty milliseconds. The commit thread, done after each fsync, must not wait five
    milliseconds to say so.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)
    sys.setswitchinterval(0.0005)


def _serve(
    platform: Platform, settings: Settings, listening: Callable[[socket.socket], object], place: socket.socket | None
) -> None:
    service = platform.service

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await service.start()
        tune_interpreter()
        yield
        await service.close()

    routes = ROUTES if settings.sandbox else WITHOUT_SANDBOX
    access_log = AccessLog(sys.stderr if settings.access_log else None)
    starlette = make_app(service, routes, access_log, RateLimit(settings.requests_per_second), lifespan)
    server = Server(
        starlette, host=settings.host, port=settings.port, refuse=service.refuse_from_now, listening=listening
    )
    service.committer.on_taken_over.append(server.end)
    if not hangups_are_ignored():
        signal.signal(signal.SIGHUP, server.handle_exit)
    try:
        server.run(None if place is None else [place])
    except SystemExit as ended:
        if ended.code != STARTUP_FAILURE:  # of which uvicorn has told the reason to its log
            raise
    if service.committer.taken_over is not None:
        raise OtherVersion(str(service.committer.taken_over))
    if not server.started:
        raise NotOurs(_nothing_can_listen(settings))
