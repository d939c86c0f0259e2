"""A bank's statement: camt.053 (ISO 20022), read in one pass, in the memory of one entry.

The parsers for it on PyPI were looked at in November 2026: none reads a stream or tells the line of what is wrong, and
they bring a tree of the whole file or a web framework along. So this is a small strict reader on Python's own expat,
which takes what is needed here and refuses what it does not understand of it; document types are refused altogether.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import NamedTuple
from xml.parsers import expat

from domain.times import Instant
from projections.export.amounts import CURRENCY
from projections.reconcile.statement import MAX_NAME, StatementWrong, place_in
from projections.statements.months import midnight
from projections.times import instant_of

MAX_TEXT = 2_000
"""Characters of one element."""
MAX_DEPTH = 40
MAX_TEXTS = 100
"""Texts of one movement in which a reference is looked for."""
_NAMESPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.[0-9]{2}")
_AMOUNT = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,2}))?")
_SIGNS = {"CRDT": 1, "DBIT": -1}
_OPENING, _CLOSING = ("OPBD", "PRCD"), ("CLBD",)
_TEXTS = frozenset(
    {"EndToEndId", "InstrId", "TxId", "MsgId", "PmtInfId", "Ustrd", "Ref", "AddtlTxInf", "AddtlNtryInf", "NtryRef"}
)
"""Elements in which a withdrawal or a payout may be named."""


class BankLine(NamedTuple):
    """One movement of the account in cents; what comes in is positive. ``texts`` are what the parties wrote.

    ``reference`` is the bank's; where it gives none, the name of the statement and the entry's number in it, so that it
    is the same whenever the file is given.
    """

    reference: str
    dated_at: Instant
    cents: int
    texts: tuple[str, ...]
    file: str
    line: int

    @property
    def subject(self) -> str:
        """What a break about it is about."""
        return f"{self.reference} {place_in(self.file, self.line)}"


@dataclass(slots=True)
class _Movement:
    """An entry, or one of the transactions that it gathers."""

    line: int
    reference: str = ""
    cents: int | None = None
    sign: int = 0
    texts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Entry(_Movement):
    status: str = ""
    at: Instant | None = None
    parts: list[_Movement] = field(default_factory=list)


@dataclass(slots=True)
class _Balance:
    kind: str = ""
    cents: int = 0
    sign: int = 0


def read_camt(name: str, chunks: Iterable[bytes], zone: tzinfo) -> Iterator[BankLine]:
    """The booked movements of all statements of a file; a booking day begins at its midnight in the zone.

    Raises StatementWrong at the first thing that is wrong.
    """
    reader = _Reader(name, zone)
    for chunk in chunks:
        reader.feed(chunk)
        yield from reader.taken()
    reader.feed(b"", is_final=True)
    yield from reader.taken()


class _Reader:
    def __init__(self, name: str, zone: tzinfo) -> None:
        self._name = name
        self._zone = zone
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._path: list[str] = []
        self._text: list[str] = []
        self._length = 0
        self._currency = ""
        self._entry: _Entry | None = None
        self._part: _Movement | None = None
        self._balance: _Balance | None = None
        self._statement = ""
        self._number = 0
        self._moved = 0
        self._balances: dict[str, int] = {}
        self._ready: list[BankLine] = []

    def feed(self, chunk: bytes, *, is_final: bool = False) -> None:
        try:
            self._parser.Parse(chunk, is_final)
        except expat.ExpatError as error:
            what = f"this is no well-formed XML: {expat.ErrorString(error.code)}"
            raise StatementWrong(self._name, error.lineno, what) from None
        except (LookupError, ValueError):
            if self._path:
                raise
            # Before the first element expat asks Python for an encoding that it does not know itself.
            raise self._wrong("is in an encoding that cannot be read; ask the bank for UTF-8") from None

    def taken(self) -> list[BankLine]:
        ready, self._ready = self._ready, []
        return ready

    def _wrong(self, what: str, line: int | None = None) -> StatementWrong:
        return StatementWrong(self._name, line or self._parser.CurrentLineNumber, what)

    # What expat tells

    def _doctype(self, *_: object) -> None:
        raise self._wrong("has a document type; a bank's statement has none")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        if not self._path and (local != "Document" or not _NAMESPACE.fullmatch(namespace)):
            raise self._wrong("is no camt.053 document; ask the bank for its statements in that form")
        if len(self._path) >= MAX_DEPTH:
            raise self._wrong(f"is nested more than {MAX_DEPTH} deep")
        self._path.append(local)
        self._text, self._length = [], 0
        if local == "Amt":
            self._currency = attributes.get("Ccy", "")
        elif local == "Stmt":
            self._statement, self._number, self._moved, self._balances = "", 0, 0, {}
        elif local == "Bal":
            self._balance = _Balance()
        elif local == "Ntry":
            self._entry = _Entry(self._parser.CurrentLineNumber)
            self._number += 1
        elif local == "TxDtls" and self._entry is not None:
            self._part = _Movement(self._parser.CurrentLineNumber)

    def _characters(self, text: str) -> None:
        self._length += len(text)
        if self._length > MAX_TEXT:
            raise self._wrong(f"{self._path[-1]} is longer than {MAX_TEXT} characters")
        self._text.append(text)

    def _end(self, name: str) -> None:
        local = self._path.pop()
        text = "".join(self._text).strip()
        self._text, self._length = [], 0
        parent = self._path[-1] if self._path else ""
        if self._entry is not None:
            self._of_entry(self._entry, parent, local, text)
        elif self._balance is not None:
            self._of_balance(self._balance, parent, local, text)
        elif (parent, local) == ("Stmt", "Id"):
            self._statement = self._named(local, text)
        elif local == "Stmt":
            self._check_balances()

    # Balances

    def _of_balance(self, balance: _Balance, parent: str, local: str, text: str) -> None:
        if (parent, local) == ("CdOrPrtry", "Cd"):
            balance.kind = text
        elif (parent, local) == ("Bal", "Amt"):
            balance.cents = self._cents(text)
        elif (parent, local) == ("Bal", "CdtDbtInd"):
            balance.sign = self._sign(text)
        elif local == "Bal":
            self._balances[balance.kind] = balance.cents * balance.sign
            self._balance = None

    def _check_balances(self) -> None:
        """What is told to move must be what lies between the balances that are told."""
        opening = next((self._balances[kind] for kind in _OPENING if kind in self._balances), None)
        closing = next((self._balances[kind] for kind in _CLOSING if kind in self._balances), None)
        if opening is None or closing is None or opening + self._moved == closing:
            return
        what = f"statement {self._statement or '?'} moves {self._moved} cents, its balances {closing - opening}"
        raise self._wrong(f"{what}; is a part of it missing?")

    # Entries

    def _of_entry(self, entry: _Entry, parent: str, local: str, text: str) -> None:
        part = self._part or entry
        if local == "Amt" and parent in ("Ntry", "TxDtls", "TxAmt"):
            if parent != "TxAmt" or part.cents is None:
                part.cents = self._cents(text)
        elif local == "CdtDbtInd" and parent in ("Ntry", "TxDtls"):
            part.sign = self._sign(text)
        elif local == "AcctSvcrRef" and parent in ("Ntry", "Refs"):
            part.reference = self._named(local, text)
        elif (parent, local) in (("Ntry", "Sts"), ("Sts", "Cd")) and text:
            entry.status = text
        elif parent == "BookgDt":
            entry.at = self._instant(local, text)
        elif local == "TxDtls" and self._part is not None:
            entry.parts.append(self._part)
            self._part = None
        elif local == "Ntry":
            self._entry = None
            self._take(entry)
        if local in _TEXTS and text and len(part.texts) < MAX_TEXTS:
            part.texts.append(text)

    def _take(self, entry: _Entry) -> None:
        if entry.status != "BOOK":
            if entry.status in ("PDNG", "INFO", "FUTR"):
                return
            raise self._wrong(f"an entry's Sts is {entry.status!r}; it must be BOOK, PDNG, INFO or FUTR", entry.line)
        if entry.cents is None or not entry.sign or entry.at is None:
            raise self._wrong("an entry lacks Amt, CdtDbtInd or BookgDt", entry.line)
        self._moved += entry.sign * entry.cents
        if len(entry.parts) > 1:
            self._ready += self._parts(entry, entry.cents, entry.at)
            return
        reference = entry.reference or next((part.reference for part in entry.parts), "") or self._numbered(entry)
        texts = (*entry.texts, *(text for part in entry.parts for text in part.texts))
        cents = entry.sign * entry.cents
        self._ready.append(BankLine(reference, entry.at, cents, texts, self._name, entry.line))

    def _numbered(self, entry: _Entry) -> str:
        if not self._statement:
            raise self._wrong("an entry has no AcctSvcrRef, and its statement no Id", entry.line)
        return f"{self._statement}/{self._number}"

    def _parts(self, entry: _Entry, whole: int, at: Instant) -> Iterator[BankLine]:
        """The transactions that were booked in one sum; all of them, or the sum would not be theirs."""
        total = sum((part.sign or entry.sign) * (part.cents or 0) for part in entry.parts)
        if total != entry.sign * whole:
            raise self._wrong(f"an entry of {whole} cents has transactions of {abs(total)}", entry.line)
        reference = entry.reference or self._numbered(entry)
        # Some banks repeat the entry's reference in each of its transactions.
        times = Counter(part.reference for part in entry.parts)
        for number, part in enumerate(entry.parts, 1):
            cents = (part.sign or entry.sign) * (part.cents or 0)
            has_own = part.reference and times[part.reference] == 1
            name = part.reference if has_own else f"{reference}/{number}"
            yield BankLine(name, at, cents, tuple(part.texts), self._name, part.line)

    # Values

    def _cents(self, text: str) -> int:
        if self._currency != CURRENCY:
            raise self._wrong(f"currency is {self._currency!r}; these books are in {CURRENCY} alone")
        match = _AMOUNT.fullmatch(text)
        if match is None:
            raise self._wrong(f"Amt is {text!r}; it must be in units of {CURRENCY} with two decimals at most")
        return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))

    def _sign(self, text: str) -> int:
        if text not in _SIGNS:
            raise self._wrong(f"CdtDbtInd is {text!r}; it must be CRDT or DBIT")
        return _SIGNS[text]

    def _named(self, local: str, text: str) -> str:
        if len(text) > MAX_NAME:
            raise self._wrong(f"{local} is longer than {MAX_NAME} characters")
        return text

    def _instant(self, local: str, text: str) -> Instant:
        try:
            if local == "Dt":
                return midnight(date.fromisoformat(text[:10]), self._zone)
            at = datetime.fromisoformat(text)
            return instant_of(at if at.tzinfo else at.replace(tzinfo=self._zone))
        except ValueError:
            raise self._wrong(f"BookgDt is {text!r}; it must be a date like 2026-10-31") from None
