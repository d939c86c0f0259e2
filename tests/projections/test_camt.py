"""A bank's statement is read to the cent and to the line, in one pass, or refused."""

import re
import tracemalloc
from collections.abc import Iterator
from datetime import UTC
from io import BytesIO
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from projections.reconcile import files
from projections.reconcile.bank import Bank
from projections.reconcile.camt import BankLine, read_camt
from projections.reconcile.files import StatementFile, sorted_lines
from projections.reconcile.period import Period
from projections.reconcile.statement import StatementWrong
from tests.given import NOW
from tests.simulation import outside
from tests.simulation.outside import CAMT, camt_053, camt_entry

DAY_BEGINS = NOW - 9 * 3_600_000
LINES = [
    outside.BankLine("B1", NOW, -300, UUID(int=7)),
    outside.BankLine("B2", NOW, 94_100, payout="po_1"),
    outside.BankLine("B3", NOW, -12),
]


def read(text: str | bytes, zone: str = "UTC") -> list[BankLine]:
    content = text.encode() if isinstance(text, str) else text
    chunks = (content[start : start + 100] for start in range(0, len(content), 100))
    return list(read_camt("bank.xml", chunks, UTC if zone == "UTC" else ZoneInfo(zone)))


def test_movements_have_their_amounts_days_and_texts() -> None:
    one, two, three = read(camt_053(LINES, 5_000))
    assert one == BankLine("B1", DAY_BEGINS, -300, (UUID(int=7).hex,), "bank.xml", 7)
    assert (two.cents, two.texts, two.line) == (94_100, ("GATEWAY TRANSFER po_1",), 8)
    assert (three.reference, three.cents, three.texts) == ("B3", -12, ())
    assert read(camt_053(LINES), "America/New_York")[0].dated_at == DAY_BEGINS + 5 * 3_600_000


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ('Ccy="USD">3.00', 'Ccy="EUR">3.00', "line 7: currency is 'EUR'"),
        ("3.00</Amt>", "3.005</Amt>", "line 7: Amt is '3.005'"),
        ("3.00</Amt>", "3,00</Amt>", "line 7: Amt is '3,00'"),
        ("3.00</Amt>", "NaN</Amt>", "line 7: Amt is 'NaN'"),
        (">941.00<", ">941.01<", "line 10: statement S1 moves 93789 cents, its balances 93788; is a part"),
        ("<Cd>BOOK</Cd>", "<Cd>MAYBE</Cd>", "line 7: an entry's Sts is 'MAYBE'"),
        ("<CdtDbtInd>DBIT</CdtDbtInd><Sts>", "<CdtDbtInd>UP</CdtDbtInd><Sts>", "line 7: CdtDbtInd is 'UP'"),
        ("<BookgDt><Dt>2025-01-15</Dt></BookgDt>", "", "line 7: an entry lacks Amt, CdtDbtInd or BookgDt"),
        ("<Dt>2025-01-15<", "<Dt>15.01.2025<", "line 7: BookgDt is '15.01.2025'"),
        ("<Dt>2025-01-15</Dt>", "<DtTm>9999-12-31T23:59:59-12:00</DtTm>", "line 7: BookgDt is '9999-12-31T23"),
        ("<Dt>2025-01-15</Dt>", "<DtTm>0001-01-01T00:00:00+12:00</DtTm>", "line 7: BookgDt is '0001-01-01T00"),
        ('encoding="UTF-8"', 'encoding="foo"', "line 1: is in an encoding that cannot be read"),
        ('encoding="UTF-8"', 'encoding="shift_jis"', "line 1: is in an encoding that cannot be read"),
        ("<Id>S1</Id>", f"<Id>{'S' * 201}</Id>", "line 4: Id is longer than 200"),
        ("<AcctSvcrRef>B3<", f"<AcctSvcrRef>{'B' * 201}<", "line 9: AcctSvcrRef is longer than 200"),
        ("GATEWAY TRANSFER", "x" * 3_000, "line 8: Ustrd is longer than 2000 characters"),
        (CAMT, CAMT.replace("053", "054"), "line 2: is no camt.053 document"),
        ("</Stmt>", "", "line 10: this is no well-formed XML: mismatched tag"),
        ("<Document", "<!DOCTYPE a [<!ENTITY a 'aaa'>]><Document", "line 2: has a document type"),
        ("<Id>S1</Id>", "<a>" * 50, "nested more than 40 deep"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_file_and_line(right: str, wrong: str, words: str) -> None:
    text = camt_053(LINES)
    assert right in text
    with pytest.raises(StatementWrong) as told:
        read(text.replace(right, wrong, 1) if right != ">941.00<" else _later(text, right, wrong))
    assert f"bank.xml, {words}" in str(told.value) or words in str(told.value)


def _later(text: str, right: str, wrong: str) -> str:
    place = text.rindex(right)
    return text[:place] + wrong + text[place + len(right) :]


def test_a_file_that_ends_too_soon_is_told() -> None:
    whole = camt_053(LINES)
    with pytest.raises(StatementWrong, match="line 9: this is no well-formed XML"):
        read(whole[: whole.rindex("<Ntry>") + 60])


def test_what_is_not_booked_yet_is_passed_over() -> None:
    pending = camt_entry(LINES[2]).replace("BOOK", "PDNG")
    assert len(read(camt_053(LINES[:2]).replace("</Stmt>", f"{pending}</Stmt>"))) == 2


def test_transactions_that_were_booked_in_one_sum_are_movements_of_their_own() -> None:
    details = "".join(
        f"<TxDtls><Refs><EndToEndId>{n}</EndToEndId></Refs><Amt Ccy='USD'>{n}.00</Amt></TxDtls>" for n in (1, 2)
    )
    entry = (
        camt_entry(LINES[0])
        .replace("<TxDtls><Refs>", f"{details}<x><Refs>")
        .replace("</TxDtls></NtryDtls>", "</x></NtryDtls>")
    )
    text = camt_053(LINES[:1]).replace(camt_entry(LINES[0]), entry)
    assert [(one.reference, one.cents, one.texts) for one in read(text)] == [
        ("B1/1", -100, ("1",)),
        ("B1/2", -200, ("2",)),
    ]
    with pytest.raises(StatementWrong, match="an entry of 300 cents has transactions of 400"):
        read(text.replace(">2.00<", ">3.00<"))


def test_transactions_that_repeat_the_reference_of_their_entry_are_told_apart_by_number() -> None:
    def references(*given: str) -> list[str]:
        amount = '<Amt Ccy="USD">1.00</Amt>'
        parts = "".join(f"<TxDtls><Refs><AcctSvcrRef>{one}</AcctSvcrRef></Refs>{amount}</TxDtls>" for one in given)
        return [one.reference for one in read(re.sub("<TxDtls>.*</TxDtls>", parts, camt_053(LINES[:1])))]

    assert references("B1", "B1", "B1") == ["B1/1", "B1/2", "B1/3"]
    assert references("X1", "B1", "X2") == ["X1", "B1", "X2"]
    assert references("X1", "X1", "X2") == ["B1/1", "B1/2", "X2"]


def test_movements_without_a_reference_are_named_by_their_place_in_the_statement() -> None:
    """Whatever the parties wrote: two of them may have written the same, or nothing."""
    lines = [line._replace(payout="po_1", withdrawal_id=None) for line in LINES]
    text = camt_053(lines)
    for line in lines[:2]:
        text = text.replace(f"<AcctSvcrRef>{line.reference}</AcctSvcrRef>", "")
    assert [one.reference for one in read(text)] == ["S1/1", "S1/2", "B3"]
    theirs = text.replace("<TxDtls>", "<TxDtls><Refs><AcctSvcrRef>T1</AcctSvcrRef></Refs>", 1)
    assert [one.reference for one in read(theirs)] == ["T1", "S1/2", "B3"]
    with pytest.raises(StatementWrong, match="line 7: an entry has no AcctSvcrRef, and its statement no Id"):
        read(text.replace("<Id>S1</Id>", ""))


def test_the_same_movement_twice_and_another_month_are_refused() -> None:
    with pytest.raises(StatementWrong, match="line 8: B1 stands in the statements twice"):
        Bank(read(camt_053([LINES[0], LINES[0]])), Period())
    with pytest.raises(StatementWrong, match=r"line 7: BookgDt is .*outside of the period"):
        Bank(read(camt_053(LINES)), Period(begins=NOW + 10 * 86_400_000))


class Endless(BytesIO):
    """Two gigabytes, made as they are read."""

    def __init__(self, head: bytes, body: bytes) -> None:
        super().__init__(head)
        self._body = body
        self._left = 2 * 1024**3

    def read(self, size: int | None = -1) -> bytes:
        made = super().read(size) or self._body * ((size or 1) // len(self._body))
        self._left -= len(made)
        assert self._left > 0, "read to its end"
        return made

    def readline(self, size: int | None = -1) -> bytes:
        return super().readline(size) or self._body


HEAD = f'<Document xmlns="{CAMT}"><BkToCstmrStmt><Stmt><Id>S1</Id>\n'.encode()
PENDING = camt_entry(LINES[2]).replace("BOOK", "PDNG").encode()


@pytest.mark.parametrize(("head", "body"), [(HEAD, PENDING), (HEAD + b"<Id>", b"x" * 1_000)])
def test_two_gigabytes_are_refused_by_line_in_the_memory_of_one_entry(
    monkeypatch: pytest.MonkeyPatch, head: bytes, body: bytes
) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 3_000_000)
    file = StatementFile("huge.xml", "huge.xml", lambda: Endless(head, body), UTC)
    tracemalloc.start()
    try:
        with pytest.raises(
            StatementWrong, match=r"huge.xml, line \d+: (the file is longer than 3,000,000 bytes|Id is)"
        ):
            list(file.lines())
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_files_are_told_apart_by_what_is_in_them() -> None:
    def opened(text: str) -> StatementFile:
        return StatementFile("a", "a", lambda: BytesIO(text.encode()), UTC)

    lines = sorted_lines([opened(camt_053(LINES)), opened(outside.gateway_csv([]))])
    assert lines.bank is not None
    assert (lines.gateway, len(lines.bank)) == ([], 3)
    assert sorted_lines([]) == (None, None)
    assert sorted_lines([opened(camt_053([]).partition("\n")[2])]).bank == []


def test_no_byte_that_is_flipped_makes_a_movement_of_another_amount_unnoticed() -> None:
    """The balances of a statement hold its amounts fast."""
    text = camt_053(LINES, 700)
    for place, digit in _digits_of_amounts(text):
        flipped = text[:place] + str((int(digit) + 1) % 10) + text[place + 1 :]
        with pytest.raises(StatementWrong):
            read(flipped)


def _digits_of_amounts(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    while (start := text.find('Ccy="USD">', start)) >= 0:
        start += len('Ccy="USD">')
        for place in range(start, text.index("<", start)):
            if text[place].isdigit():
                yield place, text[place]
