"""One request at a time, for setting up and for looking at answers; never for load."""

from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import msgspec

from tests.bench.settings import BenchFailed

TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and its process."""

    host: str
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


class Client:
    """Asks a server over one connection, as the holder of a key."""

    def __init__(self, address: Address, key: str) -> None:
        self._connection = HTTPConnection(address.host, address.port, timeout=TIMEOUT_SECONDS)
        self._key = key

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The answer's body. Raises BenchFailed for anything but 2xx."""
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status // 100 != 2:
            raise BenchFailed(f"{method} {path} answered {response.status}: {answer[:300].decode(errors='replace')}")
        return answer

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """What a command answers, as a JSON value."""
        return msgspec.json.decode(self.ask("POST", path, msgspec.json.encode(body)))
