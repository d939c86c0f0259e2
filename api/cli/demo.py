"""The demo: a real server on a fresh database, a story over HTTP, and then all that the database says of it."""

import http.client
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import Any, Protocol
from urllib.parse import urlsplit

from api.cli.books import Entry, books_of
from api.cli.story import CAST, OMAR, DemoFailed, Person, Send, Stage, perform
from api.cli.telling import Teller, terminal
from api.service.reads import LedgerFilter, Reads
from api.settings import without_password
from domain.access.events import Role
from domain.ids import access_stream
from domain.recorded import Recorded

__all__ = ["DemoFailed", "play", "serving"]

PROGRAM = (sys.executable, "-P", "-m", "api.main")
"""With -P, so that a folder named api where the demo is called is not taken for ours."""
START_SECONDS = 30.0
STOP_SECONDS = 15.0
"""The server itself gives what it accepted eight seconds to finish."""
ANSWER_SECONDS = 30.0
PAGE = 500


class Recorder(Protocol):
    def select_notifications(self, start: int | None, limit: int) -> Sequence[Any]: ...


class Mapper(Protocol):
    def to_domain_event(self, stored_event: Any) -> Any: ...


class Log(Protocol):
    """What is needed of the log to read it from its first event on."""

    @property
    def recorder(self) -> Recorder: ...
    @property
    def mapper(self) -> Mapper: ...


Reading = Callable[[str], AbstractContextManager[tuple[Log, Reads]]]
"""Opens a database to read it."""


def play(url: str | None, reading: Reading) -> None:
    """The whole demo; with the URL of a new database that one is kept. Raises DemoFailed."""
    names: dict[str, str] = {}
    teller = Teller(terminal(), names)
    with tempfile.TemporaryDirectory(prefix="tallyhold-demo-") as folder:
        database = f"sqlite:///{Path(folder, 'demo.sqlite')}" if url is None else url
        teller.say(OPENING)
        _play_on_server(database, names, teller)
        with reading(database) as (log, reads):
            _show(log, reads, teller)
    teller.heading("The end")
    teller.say_unbroken(_farewell(url))


OPENING = """\
Tallyhold holds the credits of jobs in escrow, and explains every cent of them. This demo starts the real server, in \
the sandbox where time and payments are make-believe, and plays a story against it over HTTP. Each value shown of an \
answer is checked. Then the server stops, and all that lies in its database is shown.

Olga posts jobs and pays. Ada, Ben, Cleo, Dan and Eve test. Omar operates the platform.
Money is in cents, time in UTC. Names stand for ids: Ada-1 is Ada's assignment in job-1.

The server starts, and everybody gets a key ..."""


def _farewell(url: str | None) -> str:
    if url is None:
        return "The database is removed. To keep one and look into it:\n  tallyhold demo --db sqlite:///demo.sqlite"
    shown = without_password(url)
    return f"""\
The database is kept. To go on where the story ends:
  tallyhold serve --sandbox --db {shown}
  tallyhold keys create --role owner --name Olga --db {shown}"""


def _play_on_server(database: str, names: dict[str, str], teller: Teller) -> None:
    with serving(database) as address:
        send = _sender(address)
        people = _people(database, send)
        for (role, name), person in zip(CAST, people.values(), strict=True):
            names |= {person.id: name, str(access_stream(role, name)): name}
        perform(Stage(send, people, names, teller))


def _show(log: Log, reads: Reads, teller: Teller) -> None:
    """All that the database says, and whether it adds up. Raises DemoFailed if not."""
    entries = list(_entries(reads))
    books = books_of(entries, reads.balances())
    teller.heading("Every event, as it lies in the log")
    teller.events(list(_events(log)))
    teller.heading("Every entry of the journal, made from these events")
    teller.journal(entries)
    teller.heading("Every account")
    teller.accounts(books)
    teller.heading("Every job")
    teller.jobs(books)
    for problem in books.problems():
        raise DemoFailed(problem)


def _events(log: Log) -> Iterator[Recorded[Any]]:
    """The log from its beginning."""
    start = 1
    while page := log.recorder.select_notifications(start, PAGE):
        yield from map(log.mapper.to_domain_event, page)
        start += len(page)


def _entries(reads: Reads) -> Iterator[Entry]:
    """The journal from its beginning."""
    page = reads.ledger(LedgerFilter(), None, PAGE)
    yield from page.items
    while page.last is not None:
        page = reads.ledger(LedgerFilter(), page.last, PAGE)
        yield from page.items


# -- the server and the keys ---------------------------------------------------------------------------------------


def _surroundings(database: str) -> dict[str, str]:
    """The environment without our settings but the database, whose password must be in no list of processes;
    with the places where this process finds its modules.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TALLYHOLD_")}
    places = os.pathsep.join(str(Path(place).absolute()) for place in sys.path)
    return {**kept, "PYTHONPATH": places, "TALLYHOLD_DB": database}


@contextmanager
def serving(database: str) -> Iterator[str]:
    """A server of this program in the sandbox; its address. It is stopped in the end, whatever happens."""
    arguments = ("serve", "--sandbox", "--port", "0", "--no-access-log")
    process = subprocess.Popen((*PROGRAM, *arguments), stdout=subprocess.PIPE, env=_surroundings(database))
    try:
        yield _address(process)
    finally:
        _stop(process)
    if process.returncode != 0:
        raise DemoFailed(f"The server ended with exit code {process.returncode} when it was asked to stop.")


def _address(process: subprocess.Popen[bytes]) -> str:
    """Where it listens, as soon as it says so. Raises DemoFailed if it does not in time."""
    assert process.stdout is not None
    deadline, said = monotonic() + START_SECONDS, b""
    while b"\n" not in said:
        left = max(0.0, deadline - monotonic())
        if not select.select([process.stdout], [], [], left)[0]:
            raise DemoFailed(f"The server did not listen within {START_SECONDS:.0f} seconds.")
        more = os.read(process.stdout.fileno(), 4_096)
        if not more:
            raise DemoFailed("The server ended before it listened; what it said of that is above.")
        said += more
    return said.decode().split()[-1]


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=STOP_SECONDS)
    finally:
        # Does nothing to a process that has ended.
        process.kill()
        process.wait()


def _people(database: str, send: Send) -> Mapping[str, Person]:
    """Everybody of the cast by name, with a key of their own: the operator makes all but the operator's own."""
    operator = _operator(database)
    return {name: operator if name == OMAR else _with_key(send, operator, role, name) for role, name in CAST}


def _operator(database: str) -> Person:
    arguments = ("keys", "create", "--role", Role.OPERATOR.value, "--name", OMAR, "--json")
    command, environment = (*PROGRAM, *arguments), _surroundings(database)
    try:
        done = subprocess.run(command, capture_output=True, env=environment, timeout=START_SECONDS, check=True)
    except subprocess.SubprocessError as error:
        said = getattr(error, "stderr", None) or b""
        raise DemoFailed(f"No key could be made for {OMAR}: {error} {said.decode()}".strip()) from error
    made = json.loads(done.stdout)
    return Person(made["principalId"], made["key"])


def _with_key(send: Send, operator: Person, role: Role, name: str) -> Person:
    principal = _made(send, operator, "/operator/principals", {"role": role.value, "name": name})
    made = _made(send, operator, "/operator/keys", {"principalId": principal["principalId"]})
    return Person(made["principalId"], made["key"])


def _made(send: Send, operator: Person, path: str, body: Mapping[str, str]) -> Any:
    status, answer = send(operator.key, "POST", path, body)
    if status != HTTPStatus.CREATED:
        raise DemoFailed(f"{OMAR} asked POST {path} and got {status}: {answer}")
    return answer


def _sender(address: str) -> Send:
    """Asks the server at an address."""
    where = urlsplit(address)
    assert where.hostname is not None

    def send(key: str, method: str, path: str, body: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body)
        try:
            with closing(http.client.HTTPConnection(where.netloc, timeout=ANSWER_SECONDS)) as connection:
                connection.request(method, path, content, headers)
                response = connection.getresponse()
                return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DemoFailed(f"{method} {path} was not answered: {error!r}") from error

    return send
