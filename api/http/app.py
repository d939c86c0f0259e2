"""From a request to its answer: one path for all routes, an ASGI application below Starlette's lifespan.

The checks come in the order that README, "HTTP" promises: key, role, whether the thing exists, whose it is, the body's
size and type, what it says; then the service replays or decides.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import blake2b
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from starlette.applications import Starlette
from starlette.types import Message, Receive, Scope, Send

from api.http.access_log import AccessLog
from api.http.cursors import Cursors
from api.http.presence import ClientGone, while_there
from api.http.problems import (
    RETRY_AFTER_SECONDS,
    MethodNotAllowed,
    NotJson,
    TooLarge,
    problem,
    unforeseen,
)
from api.http.rate_limit import RateLimit
from api.http.route import Call, Route, Shown, Subject
from api.http.schemas.base import read_json, validate, validate_query
from api.http.time_limit import within
from api.service.committer import Reply
from api.service.ids import new_id
from api.service.ports import RefusalNote, StoreBusy, StoreFailed
from api.service.reads import Principal
from api.service.refusals import NotAuthenticated, Overloaded, Unavailable
from api.service.seals import WrongMasterKey
from api.service.service import Service
from api.service.work import Context
from domain.errors import FieldProblem, Forbidden, InvalidRequest, NotFound, Refusal, invalid
from domain.recorded import SYSTEM
from projections.json import uuid
from projections.ledger import entry_number

log = logging.getLogger("tallyhold.http")

MAX_BODY_BYTES = 1_048_576
MAX_QUERY_BYTES = 8_192
MAX_PARAMETERS = 50
MAX_NOTED = 500
STREAM_SECONDS = 120
BODY_SECONDS = 30
DRAINED_BYTES = 16 * MAX_BODY_BYTES
DRAIN_SECONDS = 2
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_IDEMPOTENCY_KEY = re.compile(rb'([!#-~][!-~]{0,254})|"([!#-~]{1,255})"')
_ETAG = re.compile(rb'"(0|[1-9][0-9]{0,17})"')
_UUID = re.compile("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_NUMBER = re.compile("[1-9][0-9]{0,8}")
_HOST = re.compile(rb"[0-9A-Za-z._~!$&'()*+,;=%:\[\]-]*")
_PROBLEM = b"application/problem+json"
_JSON = b"application/json"
_REPEATED = b"\0"
"""Between the values of a header that was given more than once; no value can have it."""
_NOTHING = "There is nothing at this path."
_NO_KEY = "Send a valid key: Authorization: Bearer th_…"
_CUT_SHORT = "The service is shutting down; what became of this is not known. Repeat it with the same Idempotency-Key."
_NOBODY = Principal(UUID(int=0), "", "", None, UUID(int=0), SYSTEM)

_encode = msgspec.json.Encoder().encode
_canonical = msgspec.json.Encoder(order="sorted").encode
Headers = Mapping[bytes, bytes]
T = TypeVar("T")


class RouteTable:
    """Finds the route of a path. The same tree answers under /api."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._root: dict[str, Any] = {}
        for route in routes:
            node = self._root
            for step in route.steps:
                node = node.setdefault("{}" if step.startswith("{") else step, {})
            node.setdefault("", {})[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, list[str]]:
        """The route, and what stands in the path for its ids. Raises NotFound or MethodNotAllowed."""
        steps = path.split("/")[1:]
        if steps and steps[0] == "api":
            del steps[0]
        node = self._root
        values = []
        for step in steps:
            found = node.get(step) if step and step != "{}" else None
            if found is None:
                found = node.get("{}")
                if found is None or not step:
                    raise NotFound(_NOTHING)
                values.append(step)
            node = found
        methods: dict[str, Route] = node.get("", {})
        if not methods:
            raise NotFound(_NOTHING)
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))
            raise MethodNotAllowed(f"This path takes {allowed}.", allow=allowed)
        return route, values


def _ids(route: Route, values: list[str]) -> dict[str, Any]:
    """The ids in a path, by name. Raises NotFound for one that is none."""
    if not values:
        return {}
    read = _entry if route.subject is Subject.OWNERS_ENTRY else _uuid
    return {
        name: _number(value) if name == "number" else read(value)
        for name, value in zip(route.names, values, strict=True)
    }


def _number(text: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise NotFound("There is no such thing: the number in the path is none.")
    return int(text)


def _uuid(text: str) -> UUID:
    if _UUID.fullmatch(text) is None:
        raise NotFound("There is no such thing: the id in the path is not a UUID.")
    return uuid(text)


def _entry(text: str) -> int:
    number = entry_number(text)
    if number is None:
        raise NotFound("There is no such entry: its id must be like 17-0.")
    return number


@dataclass(slots=True)
class _Asked:
    """A request as it came, and what was found wrong with it."""

    route: Route
    ids: dict[str, Any]
    principal: Principal
    key_good_at: int
    headers: Headers
    pairs: Sequence[tuple[str, str]]
    body: bytes
    request_id: str
    parsed: Any = None
    problems: list[FieldProblem] = field(default_factory=list)


class Endpoint:
    """All routes of the table: from each request to its answer."""

    def __init__(self, routes: Sequence[Route], service: Service, access_log: AccessLog, rate_limit: RateLimit) -> None:
        self._table = RouteTable(routes)
        self._rate_limit = rate_limit
        self._service = service
        self._access_log = access_log
        self._cursors = Cursors(cache(service.reads.secret))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        headers: Headers = dict(scope["headers"])
        if len(headers) != len(scope["headers"]):
            headers = _joined(scope["headers"])
        request_id = _request_id(headers)
        answer = _Answer(send, request_id, scope["method"] == "HEAD", b"expect" in headers)
        try:
            await self._answer(scope, headers, receive, answer)
        except Refusal as refusal:
            await self._refuse(scope, answer, refusal)
        except ClientGone:
            if not answer.status:
                return  # nobody is left to be answered
        except (StoreBusy, StoreFailed):
            log.warning("the store could not be read", extra={"requestId": request_id}, exc_info=True)
            await answer.refuse(Unavailable("The database does not answer; try again in some seconds."))
        except WrongMasterKey as error:
            log.warning("a person's key could not be opened", extra={"requestId": request_id}, exc_info=True)
            await answer.refuse(Unavailable(str(error)))
        except asyncio.CancelledError:  # its time after SIGTERM is over, and with the answer the task is too
            await answer.refuse(Unavailable(_CUT_SHORT))
        except Exception:
            log.exception("a request failed", extra={"requestId": request_id})
            await answer.fail()
        self._access_log.write(scope["method"], scope["path"], answer, time.perf_counter() - began)

    async def _refuse(self, scope: Scope, answer: "_Answer", refusal: Refusal) -> None:
        if not await answer.refuse(refusal):
            log.warning("an answer broke off: %s", refusal.detail, extra={"requestId": answer.request_id})
            return
        if isinstance(refusal, NotAuthenticated):
            answer.principal = _NOBODY  # whose key it was says nothing of who has shown it
        self._note(scope, answer, refusal)

    def _note(self, scope: Scope, answer: "_Answer", refusal: Refusal) -> None:
        """Keep who was refused what and why, where it is known who."""
        principal, committer = answer.principal, self._service.committer
        if principal is _NOBODY or committer.is_starting:
            return
        self._service.evidence.refusals.add(
            RefusalNote(
                at=committer.now(),
                actor_kind=principal.role,
                actor_id=principal.id,
                key_id=principal.key_id,
                operation=answer.operation,
                path=_noted(scope["path"]),
                status=answer.status,
                code=refusal.code,
                detail=_noted(refusal.detail),
                request_id=answer.request_id,
            )
        )

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, answer: "_Answer") -> None:
        _check_host(scope, headers)
        if scope["path"].count("/") != scope["raw_path"].count(b"/"):
            raise NotFound(_NOTHING)  # an encoded slash is part of a step, and no step has one
        route, named = self._table.find(scope["method"], scope["path"])
        answer.operation = route.name
        shown = headers.get(b"authorization", b"")
        principal = answer.principal = self._principal(route, shown)
        key_good_at = self._service.key_ring.as_of
        try:
            self._admit(route, principal)
            if self._service.is_closing and route.roles:
                raise Unavailable("The service is shutting down; try again in some seconds.")
            ids = _ids(route, named)
            await self._check_subject(route, ids, principal)
            body = await _read_body(receive, headers) if route.body is not None else b""
            asked = _Asked(route, ids, principal, key_good_at, headers, _query_pairs(scope), body, answer.request_id)
            call = await self._call(asked)
            position = None
            if not route.is_command:
                position = await self._position(route)
            async with while_there(receive) if route.waits else nullcontext():
                outcome = await route.handle(call)
        except (NotAuthenticated, Unavailable, Overloaded):
            raise
        except Refusal:
            self._check_key(route, shown)  # why it is refused, only its holder may hear
            raise
        if isinstance(outcome, Reply):
            await answer.reply(outcome)
            return
        # The log is asked only if the read has waited, be it for its turn: until then the first look holds.
        self._check_key(route, shown)
        position = position if outcome.position is None else outcome.position
        if outcome.pieces is None:
            await answer.show(outcome, position)
            return
        with closing(self._while_good(route, shown, outcome.pieces)) as pieces:
            outcome = replace(outcome, pieces=pieces)
            async with while_there(receive):
                await answer.show(outcome, position)

    def _while_good(self, route: Route, shown: bytes, pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
        """Pieces of an answer for as long as the key is good. Raises NotAuthenticated."""
        for piece in pieces:
            self._check_key(route, shown)
            yield piece

    def _check_key(self, route: Route, shown: bytes) -> None:
        """Raises NotAuthenticated once the key of a request is revoked."""
        if route.roles and self._service.key_ring.principal(shown) is None:
            raise NotAuthenticated(_NO_KEY)

    async def _position(self, route: Route) -> int | None:
        """The position that a read is sure to show: told before it is read. What is due is written first."""
        if not route.roles:
            try:
                return self._service.reads.position()
            except (StoreBusy, StoreFailed):
                return None  # the process is alive, even where its database is not
        if self._service.has_due():
            await self._service.catch_up()
            return self._service.reads.position()
        return self._service.changes.position()

    # -- the checks, in order ----------------------------------------------------------------------------------

    def _principal(self, route: Route, shown: bytes) -> Principal:
        if not route.roles:
            return _NOBODY
        ring = self._service.key_ring
        # What has happened to the key of a command meanwhile, the committer sees under the lock of the log's head.
        principal = ring.remembered(shown) if route.is_command else ring.principal(shown)
        if principal is None:
            raise NotAuthenticated(_NO_KEY)
        return principal

    def _admit(self, route: Route, principal: Principal) -> None:
        if route.roles:
            self._rate_limit.count(principal.key_id)
            if principal.role not in route.roles:
                roles = " or ".join(route.roles)
                raise Forbidden(f"This is for the role {roles}; your key's role is {principal.role}.")

    async def _check_subject(self, route: Route, ids: dict[str, Any], principal: Principal) -> None:
        if route.subject is Subject.NOBODYS:
            return
        reads, named = self._service.reads, ids["id"]
        if route.subject is Subject.KEY:
            if reads.stream_of_key(named) is None:
                raise NotFound("There is no such key.")
            return
        if route.subject is Subject.RECONCILIATION:
            breaks = reads.breaks_of_run(named)
            if breaks is None:
                raise NotFound("There is no such reconciliation.")
            if ids.get("number", 0) > breaks:
                raise NotFound("The reconciliation has no break of this number.")
            return
        if route.subject is Subject.OWNERS_ENTRY:
            is_there, owner_id = self._service.audit.owner_of_entry(named)
            if not is_there:
                raise NotFound("There is no such entry.")
            if owner_id != principal.id:
                raise Forbidden("This is not an entry of your books.")
            return
        if route.subject is Subject.TESTERS_ASSIGNMENT:
            place = await self._service.place_of_assignment(named)
            if place is None:
                raise NotFound("There is no such assignment.")
            ids["job"], tester_id = place
            if tester_id != principal.id:
                raise Forbidden("This is another tester's assignment.")
            return
        owner_id = reads.owner_of_job(named)
        if owner_id is None:
            raise NotFound("There is no such job.")
        if route.subject is Subject.OWNERS_JOB and owner_id != principal.id:
            raise Forbidden("This is another owner's job.")
        ids["job"] = named

    async def _call(self, asked: _Asked) -> Call:
        """The request, checked field by field: every wrong one is named, wherever it stands."""
        route, problems = asked.route, asked.problems
        query: Any = None
        request: Any = None
        try:
            query = validate_query(route.query, asked.pairs)
        except InvalidRequest as refusal:
            problems += refusal.problems
        if route.body is not None:
            body = asked.body or b"{}"
            try:
                asked.parsed = read_json(body)
                request = validate(route.body, body, asked.parsed)
                if route.prepare is not None:
                    request = route.prepare(request)
            except InvalidRequest as refusal:
                problems += refusal.problems
        context = await self._context(asked, query) if route.is_command else Context(SYSTEM)
        if problems:
            raise InvalidRequest(problems)
        return Call(self._service, self._cursors, asked.principal, asked.ids, query, request, context)

    async def _context(self, asked: _Asked, query: Any) -> Context:
        principal = asked.principal
        key = _header(asked, b"idempotency-key", _idempotency_key)
        if_match = _header(asked, b"if-match", _version)
        if if_match is not None and "job" not in asked.ids:
            asked.problems.append(FieldProblem("If-Match", "must be left out, or *: this command is about no job"))
        scope, fingerprint = None, b""
        if key is not None and not asked.problems:
            scope = blake2b(principal.id.bytes + key, digest_size=16).digest()
            fingerprint = await self._fingerprint(asked, scope)
        return Context(
            actor=principal.actor,
            request_id=asked.request_id,
            scope=scope,
            fingerprint=fingerprint,
            if_match=if_match,
            job_id=asked.ids.get("job"),
            key_good_at=asked.key_good_at,
            dry_run=query is not None and query.dry_run,
        )

    async def _fingerprint(self, asked: _Asked, scope: bytes) -> bytes:
        """What tells one request from another: method, route, ids, query and body as JSON values.

        Nobody without the master key can hold a guess against it: it outlives the words of who is forgotten. A secret
        stands in it as a slow hash besides.
        """
        parsed = asked.parsed
        for place in asked.route.secrets:
            if parsed.get(place[0]) is not None:
                parsed = await self._without_secret(parsed, place, scope)
        named = [str(value) for value in asked.ids.values()]
        said = _canonical([asked.route.name, named, sorted(asked.pairs), parsed])
        return self._service.seals.fingerprint(said)

    async def _without_secret(self, value: Any, place: tuple[str, ...], scope: bytes) -> Any:
        step, *rest = place
        inner = value.get(step) if isinstance(value, dict) else None
        if inner is None:
            return value
        if rest:
            return {**value, step: await self._without_secret(inner, tuple(rest), scope)}
        return {**value, step: await self._service.proofs.fingerprint(str(inner), scope)}


def _joined(pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Headers by name; one that was given more than once has a value that is right for none of ours."""
    joined: dict[bytes, list[bytes]] = {}
    for name, value in pairs:
        joined.setdefault(name, []).append(value)
    return {name: _REPEATED.join(values) for name, values in joined.items()}


def _check_host(scope: Scope, headers: Headers) -> None:
    """RFC 9112, 3.2: a request that whoever stands before us may have read for another host is refused."""
    host = headers.get(b"host")
    if (host is None and scope["http_version"] > "1.0") or (host is not None and not _HOST.fullmatch(host)):
        raise invalid("Host", "must be given once, as a host and perhaps a port")


def _request_id(headers: Headers) -> str:
    """The caller's own id of the request where it sent a plain one, else a new one."""
    given = headers.get(b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode()
    return new_id().hex


def _noted(text: str) -> str:
    """A client's text as it is kept, without U+0000, which PostgreSQL cannot store."""
    return text[:MAX_NOTED].replace("\0", "\ufffd")


def _query_pairs(scope: Scope) -> list[tuple[str, str]]:
    """The parameters. What is no UTF-8 in one of them is escaped: it is told with whatever else is wrong."""
    raw: bytes = scope["query_string"]
    if not raw:
        return []
    if len(raw) > MAX_QUERY_BYTES:
        raise invalid("?", f"must be at most {MAX_QUERY_BYTES} bytes")
    text = raw.decode("ascii", "surrogateescape")
    try:
        return parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise invalid("?", f"must have at most {MAX_PARAMETERS} parameters") from None


def _header(asked: _Asked, name: bytes, read: Callable[[bytes], Any]) -> Any:
    """The value of a header; a wrong one becomes a problem."""
    raw = asked.headers.get(name)
    if raw is None:
        return None
    try:
        if _REPEATED in raw:
            raise ValueError("must be given once")
        return read(raw.strip())
    except ValueError as error:
        asked.problems.append(FieldProblem(name.decode().title(), str(error)))
        return None


def _idempotency_key(raw: bytes) -> bytes:
    match = _IDEMPOTENCY_KEY.fullmatch(raw)
    if match is None:
        raise ValueError("must be 1 to 255 visible ASCII characters, bare or in double quotes")
    return match[1] or match[2]


def _version(raw: bytes) -> int | None:
    if raw == b"*":
        return None
    match = _ETAG.fullmatch(raw)
    if match is None:
        raise ValueError('must be * or one strong ETag of the job, such as "7"')
    return int(match[1])


async def _read_body(receive: Receive, headers: Headers) -> bytes:
    """The body. Raises TooLarge, NotJson if encoded or of another type, InvalidRequest if it does not come in time."""
    declared = headers.get(b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        if b"expect" not in headers:
            await _drain(receive)
        raise _too_large()
    try:
        body = await within(BODY_SECONDS, _whole_body(receive))
    except TimeoutError:
        raise invalid("", f"did not arrive whole within {BODY_SECONDS} seconds") from None
    if body and headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != _JSON:
        raise NotJson("Send the body as JSON, with Content-Type: application/json.")
    if body and headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise NotJson("Send the body as it is, without Content-Encoding.")
    return body


async def _drain(receive: Receive) -> None:
    """Take in, for a while, what is refused: a client that is still sending would not see the answer."""
    left = DRAINED_BYTES
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


async def _whole_body(receive: Receive) -> bytes:
    """The body out of its pieces. Raises TooLarge as soon as that is known."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise _too_large()
        more = message.get("more_body", False)
    return b"".join(parts)


def _too_large() -> TooLarge:
    return TooLarge(f"A body may have at most {MAX_BODY_BYTES} bytes.")


class _Answer:
    """Writes one response."""

    def __init__(self, send: Send, request_id: str, head_only: bool, body_may_not_come: bool) -> None:
        self._send = send
        self.request_id = request_id
        self._head_only = head_only
        self._body_may_not_come = body_may_not_come
        self.principal = _NOBODY
        self.status = 0
        self.code: str | None = None
        self.operation = ""

    async def reply(self, reply: Reply) -> None:
        headers = [(b"tallyhold-position", b"%d" % reply.position)]
        if reply.etag is not None:
            headers.append((b"etag", reply.etag.encode()))
        if reply.location is not None:
            headers.append((b"location", reply.location.encode()))
        if reply.replayed:
            headers.append((b"idempotent-replayed", b"true"))
        await self._whole(reply.status, reply.body, _JSON, headers)

    async def show(self, shown: Shown, position: int | None) -> None:
        headers = [] if position is None else [(b"tallyhold-position", b"%d" % position)]
        if shown.etag is not None:
            headers.append((b"etag", b'"%d"' % shown.etag))
        content_type = shown.content_type.encode()
        if shown.pieces is None:
            body = shown.body if isinstance(shown.body, bytes) else _encode(shown.body)
            await self._whole(shown.status, body, content_type, headers)
            return
        self.status = shown.status
        await self._send(self._start(shown.status, content_type, headers))
        await self._stream(iter(()) if self._head_only else shown.pieces, shown.holds_snapshot)

    async def refuse(self, refusal: Refusal) -> bool:
        """Say why not; false where the response has begun: then the connection is all that can be ended."""
        if self.status:
            return False
        status, body = problem(refusal, self.request_id)
        self.code = refusal.code
        headers = []
        if self._body_may_not_come:  # and then nobody could tell the next request from it
            headers.append((b"connection", b"close"))
        if isinstance(refusal, NotAuthenticated):
            headers.append((b"www-authenticate", b'Bearer realm="tallyhold"'))
        if isinstance(refusal, MethodNotAllowed):
            headers.append((b"allow", str(body.pop("allow")).encode()))
        if (seconds := RETRY_AFTER_SECONDS.get(type(refusal))) is not None:
            headers.append((b"retry-after", b"%d" % seconds))
        await self._whole(status, _encode(body), _PROBLEM, headers)
        return True

    async def fail(self) -> None:
        if self.status:
            return  # the response has begun: the connection is all that can be ended
        status, body = unforeseen(self.request_id)
        await self._whole(status, _encode(body), _PROBLEM, [])

    async def _whole(self, status: int, body: bytes, content_type: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        headers.append((b"content-length", b"%d" % len(body)))
        await self._send(self._start(status, content_type, headers))
        await self._send({"type": "http.response.body", "body": b"" if self._head_only else body})

    async def _stream(self, pieces: Iterator[bytes], holds_snapshot: bool) -> None:
        """Send pieces as they are taken in: within a time for all of them, or where they hold nothing, for each.

        Raises Unavailable.
        """
        try:
            async with asyncio.timeout(STREAM_SECONDS) as limit:
                for piece in pieces:
                    if not holds_snapshot:
                        limit.reschedule(asyncio.get_running_loop().time() + STREAM_SECONDS)
                    await self._send({"type": "http.response.body", "body": piece, "more_body": True})
                    await asyncio.sleep(0)  # others have their turn between two pieces
        except TimeoutError:
            raise Unavailable("It was taken in too slowly.") from None
        await self._send({"type": "http.response.body", "body": b""})

    def _start(self, status: int, content_type: bytes, headers: list[tuple[bytes, bytes]]) -> Message:
        return {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"x-request-id", self.request_id.encode()),
                (b"cache-control", b"no-store"),
                *headers,
            ],
        }


class _Application(Starlette):
    """Starlette for its lifespan. Requests go to the endpoint, which answers every error itself, as a problem."""

    def __init__(self, endpoint: Endpoint, lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]]) -> None:
        super().__init__(lifespan=lifespan)
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._endpoint.handle(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def make_app(
    service: Service,
    routes: Sequence[Route],
    access_log: AccessLog,
    rate_limit: RateLimit,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]],
) -> Starlette:
    """The ASGI application."""
    return _Application(Endpoint(routes, service, access_log, rate_limit), lifespan)
