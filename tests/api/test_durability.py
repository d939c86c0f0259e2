"""What was acknowledged is never lost, and what was interrupted happens once: the real server, killed under load."""

import http.client
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from api.store.rebuild import rebuild
from domain.access.events import Role
from tests.local import Key, Where, database, issue_keys, query, tables
from tests.running import Answer, Client, RunningServer
from tests.simulation.books import File
from tests.simulation.commands import Pay, Terms, Version
from tests.simulation.drivers import job_body

ROUNDS = 2
PATIENCE_SECONDS = 60
OWNERS = [f"owner {number}" for number in range(3)]
TESTERS = [f"tester {number}" for number in range(5)]
PRINCIPALS = {**dict.fromkeys(OWNERS, Role.OWNER), **dict.fromkeys(TESTERS, Role.TESTER)}
A_JOB = job_body("Rate it", Terms(slots=3, pay=(Pay(300),), versions=(Version(3),), window=600), 0)
REPEATED = ("location", "etag", "tallyhold-position", "content-type")


@dataclass
class Asked:
    """A command under its idempotency key, which is its request id too; ``answer`` null when the server went away."""

    who: str
    path: str
    body: Any
    key: str
    answer: Answer | None = None

    def send(self, client: Client) -> Answer:
        return client.ask("POST", self.path, self.body, idempotency_key=self.key, x_request_id=self.key)


@dataclass
class Load:
    """What everybody asked, from threads."""

    server: RunningServer
    keys: dict[str, Key]
    asked: list[Asked] = field(default_factory=list)
    _number: Iterator[int] = field(default_factory=itertools.count)

    def client(self, who: str) -> Client:
        return self.server.client(self.keys[who].key)

    def ask(self, client: Client, who: str, path: str, body: Any = None) -> Answer:
        """Raises when the server goes away."""
        asked = Asked(who, path, body, f"request-{next(self._number)}")
        self.asked.append(asked)
        asked.answer = asked.send(client)
        return asked.answer

    def run_until_killed(self, acknowledged: int) -> None:
        """Kill the server amid the load, once it has acknowledged so many more."""
        enough = len(self.acknowledged) + acknowledged
        with ThreadPoolExecutor(len(PRINCIPALS)) as threads:
            lives = [
                threads.submit(self._until_it_goes_away, self.own if who in OWNERS else self.test, who)
                for who in PRINCIPALS
            ]
            try:
                until_it_holds(lambda: len(self.acknowledged) >= enough, f"{acknowledged} more are acknowledged")
            finally:
                self.server.kill()
            for life in lives:
                life.result()

    def _until_it_goes_away(self, life: Callable[[Client, str, Random], None], who: str) -> None:
        chance = Random(who)
        with closing(self.client(who)) as client, suppress(OSError, http.client.HTTPException):
            while True:
                life(client, who, chance)

    def own(self, client: Client, who: str, chance: Random) -> None:
        """An owner's day."""
        self.ask(client, who, "/owner/billing/add-credits", {"amountCents": chance.randint(1_000, 9_000)})
        created = self.ask(client, who, "/jobs", A_JOB)
        if created.status != 201:
            return
        path = f"/owner/jobs/{created.body['id']}"
        self.ask(client, who, f"{path}/pause")
        self.ask(client, who, f"{path}/resume")
        self.ask(client, who, f"{path}/resize", {"targetTesters": chance.randint(4, 6)})
        if chance.random() < 0.3:
            self.ask(client, who, f"{path}/cancel")

    def test(self, client: Client, who: str, chance: Random) -> None:
        """A tester's day."""
        offered = client.ask("GET", "/tester/jobs?limit=50").body["data"]
        if not offered:
            time.sleep(0.01)
            return
        taken = self.ask(client, who, f"/tester/jobs/{chance.choice(offered)['id']}/assignments")
        if taken.status != 201:
            return
        path = f"/tester/assignments/{taken.body['id']}"
        self.ask(client, who, f"{path}/start")
        if chance.random() < 0.8:
            self.ask(client, who, f"{path}/submit", {"answers": {"rating": 5}})
        else:
            self.ask(client, who, f"{path}/return")

    @property
    def acknowledged(self) -> list[Asked]:
        return [one for one in self.asked if one.answer is not None and one.answer.status < 300]

    @property
    def unanswered(self) -> list[Asked]:
        return [one for one in self.asked if one.answer is None]


def events_by_request(path: Where) -> Counter[str]:
    """How many events each request wrote."""
    requests = (json.loads(state)["request_id"] for (state,) in query(path, "SELECT state FROM stored_events"))
    return Counter(filter(None, requests))


def check_that_nothing_is_lost(load: Load) -> None:
    written = events_by_request(load.server.where)
    clients = {who: load.client(who) for who in PRINCIPALS}
    for asked in load.acknowledged:
        assert asked.answer is not None
        assert written[asked.key], f"{asked} was acknowledged and is not in the log"
    for asked in Random(0).sample(load.acknowledged, min(150, len(load.acknowledged))):
        assert asked.answer is not None
        again = asked.send(clients[asked.who])
        assert (again.status, again.body) == (asked.answer.status, asked.answer.body)
        assert again.headers["idempotent-replayed"] == "true"
        assert [again.headers.get(name) for name in REPEATED] == [asked.answer.headers.get(name) for name in REPEATED]
    assert events_by_request(load.server.where) == written, "a repeat was done again"
    for client in clients.values():
        client.close()


def repeat_what_was_cut_off(load: Load) -> None:
    """Whether it had been kept or not, it is done once."""
    written = events_by_request(load.server.where)
    for asked in load.unanswered:
        with closing(load.client(asked.who)) as client:
            asked.answer = _sent_until_known(asked, client)
        if asked.answer.headers.get("idempotent-replayed"):
            assert written[asked.key], f"{asked} is replayed and was not in the log"
        elif asked.answer.status < 300:
            assert not written[asked.key], f"{asked} was in the log and is done again"


def until_it_holds(condition: Callable[[], bool], what: str) -> None:
    """Raises AssertionError when it takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"in vain was it waited until {what}"
        time.sleep(0.01)


def _sent_until_known(asked: Asked, client: Client) -> Answer:
    """A purchase that was under way is seen through first."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := asked.send(client)).status == 409 and answer.body["code"] == "idempotency_in_progress":
        assert time.monotonic() < deadline, f"{asked} stays in progress"
        time.sleep(0.05)
    return answer


def check_that_the_gateway_agrees(path: Where) -> None:
    """Each payment was taken once, and is in the books."""
    is_file = isinstance(path, Path)
    book: Where = Path(f"{path}.gateway") if is_file else path
    table = "charges" if is_file else "sandbox_gateway.charges"
    charges = query(book, f"SELECT purchase_id, amount_cents FROM {table} WHERE taken = 1")
    booked = query(path, "SELECT purchase_id, amount_cents FROM purchases WHERE status = 'completed'")
    assert sorted(charges) == sorted(booked)
    assert query(path, "SELECT count(*) FROM purchases WHERE status = 'open'") == [(0,)]


def check_that_rebuilt_equals_live(path: Where) -> None:
    live = tables(path)
    rebuild(database(path), lambda done, total: None)
    assert tables(path) == live


def test_a_server_that_is_killed_again_and_again_loses_nothing_that_it_acknowledged(
    where: Where, tmp_path: Path
) -> None:
    path = where
    server = RunningServer(path, tmp_path)
    load = Load(server, issue_keys(path, PRINCIPALS))
    try:
        for number in range(ROUNDS):
            server.start()
            load.run_until_killed(30 + 120 * number)
            server.start()
            check_that_nothing_is_lost(load)
            repeat_what_was_cut_off(load)
            server.stop()
            File(path).check()
            check_that_the_gateway_agrees(path)
    finally:
        server.kill()
    check_that_rebuilt_equals_live(path)
