"""The real server in a process of its own, and clients of it that hold every answer against the served document."""

import json
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2

from tests.api.contract import Contract
from tests.forked import Forked
from tests.local import Where, url_of
from tests.program import create_key, environment

ROOT = Path(__file__).parents[2]
START_SECONDS = 30
STOP_SECONDS = 15
ANSWER_SECONDS = 60

Json: TypeAlias = dict[str, Any]
Headers: TypeAlias = Mapping[str, Any]
Response: TypeAlias = httpx2.Response

NONE: Headers = MappingProxyType({})

SLOT_CENTS = 390
"""What one slot of the usual job holds: 300 for the tester and 30 % on top."""

A_JOB: Json = {
    "title": "Rate my landing page",
    "targetTesters": 5,
    "category": "web-design",
    "jobPostingTimeLimitMinutes": 60,
    "paymentRules": [{"type": "fixed", "amountCents": 300}],
    "variants": [
        {
            "description": "Visit the landing page and rate the design.",
            "url": "https://example.com/landing",
            "targetTestersMin": 5,
            "feedbackQuestions": [
                {"id": "rating", "questionMarkdown": "Rate the overall design", "inputType": "star_rating"}
            ],
        }
    ],
}
ANSWERS: Json = {"answers": {"rating": 4}}


def a_job(slots: int = 5, **changes: Any) -> Json:
    """The usual job with so many slots."""
    variant = {**A_JOB["variants"][0], "targetTestersMin": slots}
    return {**A_JOB, "targetTesters": slots, "variants": [variant], **changes}


# -- processes ---------------------------------------------------------------------------------------------------------


@contextmanager
def listening(folder: Path, db: str, *options: str, **settings: str) -> Iterator[str]:
    """The address of a server on a free port; ended by its process id. It must not have failed at anything."""
    with (folder / "server.log").open("a") as log:
        called = ("serve", "--no-access-log", "--port", "0", "--db", db, *options)
        process = Forked(*called, folder=folder, environment=environment(**settings), stderr=log)
    with process.stdout:
        said = process.stdout.readline()
        try:
            assert said.startswith("listening on "), f"{said!r} {(folder / 'server.log').read_text()}"
            yield said.removeprefix("listening on ").strip()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)
        logged = (folder / "server.log").read_text()
        assert '"level":"error"' not in logged and '"level":"critical"' not in logged, logged


# -- clients -----------------------------------------------------------------------------------------------------------


@dataclass
class Client:
    """Somebody with a key. Every answer is held against the document when it comes in."""

    http: httpx2.Client
    role: str
    key: str
    key_id: str
    id: str
    public_id: int | None

    def ask(self, method: str, path: str, body: Any = None, *, headers: Headers = NONE, **params: Any) -> Response:
        """One request; a body that is no bytes goes as JSON."""
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {"authorization": f"Bearer {self.key}"}
        if content is not None:
            sent["content-type"] = "application/json"
        return self.http.request(method, path, content=content, headers={**sent, **headers}, params=params or None)

    def get(self, path: str, *, headers: Headers = NONE, **params: Any) -> Response:
        return self.ask("GET", path, headers=headers, **params)

    def post(self, path: str, body: Any = None, *, headers: Headers = NONE, **params: Any) -> Response:
        return self.ask("POST", path, body, headers=headers, **params)

    def post_job(self, slots: int = 5, **changes: Any) -> str:
        """A job's id."""
        return str(done(self.post("/jobs", a_job(slots, **changes)), 201)["id"])

    def job(self, job_id: str) -> Json:
        return done(self.get(f"/jobs/{job_id}"))

    def etag(self, job_id: str) -> str:
        return str(self.get(f"/jobs/{job_id}").headers["etag"])

    def balance(self) -> int:
        return int(done(self.get("/owner/billing"))["balanceCents"])

    def position(self) -> int:
        """How far the log goes, seen by somebody who changes nothing."""
        paths = {"owner": "/owner/billing", "tester": "/tester/wallet", "operator": "/operator/keys"}
        return int(self.get(paths[self.role]).headers["tallyhold-position"])

    def take(self, job_id: str, **body: Any) -> str:
        """An assignment's id."""
        return str(done(self.post(f"/tester/jobs/{job_id}/assignments", body or None), 201)["id"])

    def start(self, job_id: str) -> str:
        """An assignment's id, started."""
        assignment_id = self.take(job_id)
        done(self.post(f"/tester/assignments/{assignment_id}/start"))
        return assignment_id

    def complete(self, job_id: str) -> str:
        """An assignment's id, handed in."""
        assignment_id = self.start(job_id)
        done(self.post(f"/tester/assignments/{assignment_id}/submit", ANSWERS))
        return assignment_id


@dataclass
class Platform:
    """A sandbox server with an operator; owners and testers come as they are needed."""

    url: str
    folder: Path
    where: Where
    http: httpx2.Client
    contract: Contract
    operator: Client
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def db(self) -> str:
        """As in the settings."""
        return url_of(self.where)

    def somebody(self, role: str) -> Client:
        """A new principal of a role."""
        asked = {"role": role, "name": f"{role} {next(self._numbers)}"}
        made = done(self.operator.post("/operator/principals", asked), 201)
        key = done(self.operator.post("/operator/keys", {"principalId": made["principalId"]}), 201)
        return client(self.http, key)

    def owner(self, cents: int = 1_000_000) -> Client:
        """A new owner with so much to spend."""
        owner = self.somebody("owner")
        if cents:
            done(owner.post("/owner/billing/add-credits", {"amountCents": cents}), 201)
        return owner

    def tester(self) -> Client:
        return self.somebody("tester")

    def testers(self, number: int) -> list[Client]:
        return [self.tester() for _ in range(number)]

    def pass_time(self, *, seconds: int = 0, minutes: int = 0, hours: int = 0) -> str:
        """What the clock says after it was moved."""
        moved = seconds + 60 * minutes + 3_600 * hours
        return str(done(self.operator.post("/sandbox/clock", {"advanceSeconds": moved}))["now"])


def client(http: httpx2.Client, made: Json) -> Client:
    """A client with a key as it was shown."""
    return Client(http, made["role"], made["key"], made["keyId"], made["principalId"], made["publicId"])


@contextmanager
def connected(url: str) -> Iterator[tuple[httpx2.Client, Contract]]:
    """Connections to a server, with the contract that each answer is held against."""
    with httpx2.Client(base_url=url, timeout=ANSWER_SECONDS, trust_env=False) as http:
        contract = Contract(http.get("/openapi.json").json())
        http.event_hooks = {"response": [contract.check]}
        yield http, contract


@contextmanager
def serving(folder: Path, where: Where, *options: str) -> Iterator[Platform]:
    """A sandbox platform of its own."""
    db = url_of(where)
    made = create_key(folder, db, "operator", "Olga")
    with listening(folder, db, "--sandbox", *options) as url, connected(url) as (http, contract):
        yield Platform(url, folder, where, http, contract, client(http, made))


def raw(url: str, request: bytes, *, is_all: bool = False) -> Response:
    """The answer to these very bytes, with which the server has to close the connection; the client may say first that
    they are all."""
    where = urlsplit(url)
    with socket.create_connection((str(where.hostname), where.port or 0), ANSWER_SECONDS) as connection:
        connection.sendall(request)
        if is_all:
            connection.shutdown(socket.SHUT_WR)
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    pairs = [(name, value) for name, _, value in (one.partition(": ") for one in fields)]
    return Response(int(line.split()[1]), headers=pairs, content=body)


# -- what is expected --------------------------------------------------------------------------------------------------


def done(response: Response, status: int = 200) -> Json:
    """The body of an answer that says it was done."""
    assert response.status_code == status, response.text
    body: Json = response.json()
    return body


def refused(response: Response, status: int, code: str) -> Json:
    """The problem in an answer that says why not."""
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    problem: Json = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["requestId"] == response.headers["x-request-id"]
    assert problem["type"] == f"urn:tallyhold:problem:{code}"
    assert problem["error"] == problem["detail"] != ""
    assert problem["status"] == status
    return problem


def wrong_fields(response: Response) -> list[str]:
    """The pointers of a 400, sorted."""
    return sorted(error["pointer"] for error in refused(response, 400, "invalid_request")["errors"])


class Unchanged(AbstractContextManager["Unchanged"]):
    """Within it nothing is written: the log is as long afterwards as before."""

    def __init__(self, watcher: Client) -> None:
        self._watcher = watcher

    def __enter__(self) -> Self:
        self._before = self._watcher.position()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            assert self._watcher.position() == self._before


def a_key() -> Json:
    """A header with an idempotency key that nobody had before."""
    return {"idempotency-key": uuid4().hex}
