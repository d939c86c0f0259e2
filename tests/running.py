"""A real server, `tallyhold serve --sandbox`, in a process of its own, with a plain HTTP client."""

import http.client
import json
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.forked import Forked
from tests.local import Where, url_of
from tests.program import environment

PATIENCE_SECONDS = 30


class Answer(NamedTuple):
    status: int
    body: Any
    headers: Mapping[str, str]


class Client:
    """One keep-alive connection that shows one key."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        self._key = key

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Raises OSError or HTTPException when the server goes away."""
        self.send(method, path, body, **headers)
        response = self._connection.getresponse()
        answer = response.read()
        return Answer(response.status, json.loads(answer), {k.lower(): v for k, v in response.getheaders()})

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> None:
        """Ask, and do not wait for the answer."""
        sent = {"authorization": f"Bearer {self._key}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        payload = None
        if body is not None:
            payload, sent["content-type"] = json.dumps(body).encode(), "application/json"
        self._connection.request(method, path, payload, sent)

    def close(self) -> None:
        self._connection.close()


class RunningServer:
    """Serves one database on a port that the system picks; what it logs lies in a folder.

    In a ``with`` it listens at the beginning, and is killed at the end if it still runs.
    """

    def __init__(self, where: Where, folder: Path, *options: str, ignored: Sequence[signal.Signals] = ()) -> None:
        self.where = where
        self.folder = folder
        self._options = options
        self._ignored = ignored
        self.port = 0
        self._process: Forked | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def process(self) -> Forked:
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Return when it listens."""
        command = ["serve", "--sandbox", "--no-access-log", "--port", "0", "--db"]
        with (self.folder / "server.log").open("a") as errors:
            called = (*command, url_of(self.where), *self._options)
            self._process = Forked(
                *called, folder=self.folder, environment=environment(), stderr=errors, ignored=self._ignored
            )
        said = self.process.stdout.readline()
        assert said.startswith("listening on "), f"{said!r}; {self.logged()}"
        self.port = int(said.rsplit(":", 1)[1])

    def logged(self) -> str:
        return (self.folder / "server.log").read_text()

    def client(self, key: str) -> Client:
        return Client(self.port, key)

    def stop(self) -> None:
        """As an operator does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As the machine does when it runs out of memory."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self.process.send_signal(how)
        self.process.wait(PATIENCE_SECONDS)
        self.process.stdout.close()
        self._process = None
