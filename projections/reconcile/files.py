"""Statements as files: which form each is of, how much of it is read, and what was read."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import tzinfo
from hashlib import sha256
from typing import BinaryIO, NamedTuple

from projections.reconcile.camt import BankLine, read_camt
from projections.reconcile.statement import StatementLine, StatementWrong, read_statement

MAX_BYTES = 256 * 1024 * 1024
"""Of one file."""
MAX_LINE_BYTES = 65_536
CHUNK_BYTES = 65_536


class FileRead(NamedTuple):
    """A statement that was read to its end, with its SHA-256."""

    name: str
    sha256: str
    lines: int
    is_bank: bool


class StatementFile:
    """A file that is read once, in the memory of a line; its hash is of all of it. XML is a bank's, CSV a gateway's."""

    def __init__(self, name: str, short_name: str, open_it: Callable[[], BinaryIO], zone: tzinfo) -> None:
        """``name`` stands in sentences, ``short_name`` in the evidence; days are those of the zone."""
        self.name = name
        self._short_name = short_name
        self._open = open_it
        self._zone = zone
        self._hash = sha256()
        self._lines = 0
        self._bytes = 0
        self.is_bank = False
        """Known once it was read."""

    def lines(self) -> Iterator[StatementLine | BankLine]:
        """Raises StatementWrong, also for a file that cannot be read or is too large."""
        try:
            with closing(self._open()) as file:
                first = file.readline(MAX_LINE_BYTES)
                self.is_bank = first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
                if self.is_bank:
                    yield from read_camt(self.name, self._chunks(first, file), self._zone)
                else:
                    yield from read_statement(self.name, self._texts(first, file))
        except OSError as error:
            raise StatementWrong(self.name, 1, f"the file cannot be read: {error.strerror}") from error

    def _chunks(self, first: bytes, file: BinaryIO) -> Iterator[bytes]:
        chunk = first
        while chunk:
            self._count(chunk, chunk.count(b"\n"))
            yield chunk
            chunk = file.read(CHUNK_BYTES)

    def _texts(self, first: bytes, file: BinaryIO) -> Iterator[str]:
        raw = first
        while raw:
            self._count(raw, 1)
            if len(raw) == MAX_LINE_BYTES:
                raise StatementWrong(self.name, self._lines, f"is longer than {MAX_LINE_BYTES} bytes")
            if b"\0" in raw:
                raise StatementWrong(self.name, self._lines, "has the character U+0000; a statement is CSV in UTF-8")
            yield raw.decode("utf-8")
            raw = file.readline(MAX_LINE_BYTES)

    def _count(self, raw: bytes, lines: int) -> None:
        self._lines += lines
        self._bytes += len(raw)
        if self._bytes > MAX_BYTES:
            what = f"the file is longer than {MAX_BYTES:,} bytes; ask for statements of shorter periods"
            raise StatementWrong(self.name, self._lines, what)
        self._hash.update(raw)

    def read(self) -> FileRead:
        """What was read."""
        return FileRead(self._short_name, self._hash.hexdigest(), self._lines, self.is_bank)


class Lines(NamedTuple):
    """All lines of some files: a gateway's and a bank's, null where there was no file of that kind."""

    gateway: list[StatementLine] | None
    bank: list[BankLine] | None


def sorted_lines(files: Iterable[StatementFile]) -> Lines:
    """Read files to their ends. Raises StatementWrong."""
    gateway: list[StatementLine] = []
    bank: list[BankLine] = []
    has_gateway = has_bank = False
    for file in files:
        for line in file.lines():
            if isinstance(line, StatementLine):
                gateway.append(line)
            else:
                bank.append(line)
        has_gateway, has_bank = has_gateway or not file.is_bank, has_bank or file.is_bank
    return Lines(gateway if has_gateway else None, bank if has_bank else None)
