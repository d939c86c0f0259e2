"""The demo: its story, its figures, its sentences when it can't go on, and that it leaves nothing running."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from api.cli.books import books_of
from api.cli.demo import serving
from api.cli.story import OLGA, DemoFailed, Exchange, Person, Stage
from tests.program import leaves_nothing_running

ROOT = Path(__file__).parents[2]
SECONDS = 120
COLUMNS = 100


def demo(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    """The demo, in a process group of its own, with its output in pipes."""
    kept = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "FORCE_COLOR"}}
    return subprocess.Popen(
        (sys.executable, "-m", "api.main", "demo", *arguments),
        cwd=ROOT,
        env={**kept, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def squeezed(shown: str) -> str:
    """Without the widths of columns."""
    return re.sub(r"\s+", " ", shown)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "kept.sqlite"


@pytest.fixture(scope="module")
def shown(kept: Path) -> str:
    """What the demo shows, played once with a setting that the server must not see, and kept."""
    process = demo("--db", f"sqlite:///{kept}", TALLYHOLD_PORT="1")
    out, err = process.communicate(timeout=SECONDS)
    assert (err, process.returncode) == ("", 0)
    assert leaves_nothing_running(process)
    return out


@pytest.mark.parametrize(
    "figures",
    [
        "balanceCents 20000, heldCents 0",
        "status active, escrowHoldCents 1950",
        "durationMinutes 8, payoutCents 300",
        "status completed, settlementStatus pending_approval",
        "assignmentCount 5, completedCount 5",
        "escrowHoldCents 1950, escrowBalanceCents 780",
        "settlementStatus resolved, escrowHoldCents 1365",
        "status active, escrowHoldCents 3250",
        "previousTargetTesters 5, newTargetTesters 10, previousEscrowHoldCents 3250, newEscrowHoldCents 6500, "
        "escrowDeltaCents 3250",
        "settlementStatus approved, escrowHoldCents 650, escrowBalanceCents 0",
        "amountCents 500, payableCents 300",
        "balanceCents 17985, heldCents 0",
    ],
)
def test_the_answers_have_the_figures_of_the_contract(shown: str, figures: str) -> None:
    rights = (line[COLUMNS // 2 :] for line in shown.splitlines())
    assert figures in squeezed(" ".join(rights))


@pytest.mark.parametrize(
    "event",
    [
        "access.registered console",
        "credits.purchase_completed Olga 20000",
        "job-1 job.created Olga 5 slots, 1950 held",
        "job-1 job.slot_taken Ada Ada-1",
        "job-1 job.task_completed Cleo Cleo-1: 300 for 8 min",
        "job-1 job.disputed Olga Dan-1 low_quality, Eve-1 off_topic",
        "job-1 job.refunded Omar Dan-1: 195 to Olga",
        "job-2 job.resized Olga 10 slots, 3250 more",
        "job-2 job.settled Olga 650 to approve, 5850 released",
        "job-2 job.approved system",
        "wallet Ben wallet.withdrawn Ben 500",
    ],
)
def test_the_events_name_their_stream_and_who_caused_them(shown: str, event: str) -> None:
    assert event in squeezed(shown)


@pytest.mark.parametrize(
    "entry",
    [
        "escrow_hold owner:Olga:credits 1950 hold for 5 slots owner:Olga:escrow:job-1 1950",
        "escrow_hold_increase owner:Olga:credits 3250 resize +5 slots owner:Olga:escrow:job-2 3250",
        "settlement_payout owner:Olga:escrow:job-1 150 payout of assignment Dan-1 tester:Dan:payable 150",
        "settlement_fee owner:Olga:escrow:job-1 45 platform fee on assignment Dan-1 platform:fees 45",
        "dispute_refund owner:Olga:escrow:job-1 390 refund after dispute, assignment Eve-1 owner:Olga:credits 390",
        "withdrawal tester:Ben:payable 500 withdrawal no. 1 payouts:clearing 500",
    ],
)
def test_the_journal_shows_both_sides_of_each_entry(shown: str, entry: str) -> None:
    assert entry in squeezed(shown)


@pytest.mark.parametrize(
    "line",
    [
        "gateway:clearing debit 20000 0 20000",
        "owner:Olga:credits credit 8450 26435 17985",
        "platform:fees credit 0 465 465",
        "tester:Ben:payable credit 500 800 300",
        "Sum of all accounts: 20000 that grow by debit - 20000 that grow by credit = 0",
        "job-1: 1950 held = 1050 paid + 315 fees + 585 released + 0 in escrow",
        "job-2: 6500 held = 500 paid + 150 fees + 5850 released + 0 in escrow",
    ],
)
def test_the_books_add_up(shown: str, line: str) -> None:
    assert line in squeezed(shown)


def test_what_is_shown_is_plain_text_with_names_for_ids(shown: str) -> None:
    assert all(character.isprintable() or character == "\n" for character in shown)
    assert max(len(line) for line in shown.splitlines() if "--db" not in line) <= COLUMNS
    assert "…" not in shown
    assert re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", shown) is None
    assert "th_" not in shown


def test_the_named_database_is_kept_and_taken_for_no_second_demo(shown: str, kept: Path) -> None:
    assert f"--db sqlite:///{kept}" in shown
    before = kept.read_bytes()
    process = demo("--db", f"sqlite:///{kept}")
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (1, "")
    assert err == f"tallyhold: {kept} exists already; the demo needs a name for a new database.\n"
    assert kept.read_bytes() == before


def test_without_a_name_nothing_is_kept_even_when_it_is_ended_half_way(tmp_path: Path) -> None:
    process = demo(TMPDIR=str(tmp_path))
    assert process.stdout is not None
    while "POST /jobs" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGTERM
    assert leaves_nothing_running(process)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_cannot_start_ends_the_demo(tmp_path: Path) -> None:
    process = demo("--db", f"sqlite:///{tmp_path}/nowhere/demo.sqlite")
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert f"there is no folder {tmp_path}/nowhere" in err
    assert "Traceback" not in err
    assert leaves_nothing_running(process)


def test_the_server_is_stopped_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), serving(f"sqlite:///{tmp_path}/demo.sqlite") as address:
        where = urlsplit(address)
        assert where.hostname is not None and where.port is not None
        socket.create_connection((where.hostname, where.port)).close()
        raise ZeroDivisionError
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((where.hostname, where.port))


# -- answers that are not right ------------------------------------------------------------------------------------


class Silent:
    """Listens, and tells nobody."""

    def __init__(self) -> None:
        self.heard: list[Exchange] = []

    def heading(self, title: str) -> None:
        pass

    def exchange(self, exchange: Exchange) -> None:
        self.heard.append(exchange)


def asking(status: int, answer: Any, must: Mapping[str, Any]) -> Sequence[Exchange]:
    """What is told when a server answers so."""
    silent = Silent()
    stage = Stage(lambda *_: (status, answer), {OLGA: Person("id", "key")}, {}, silent)
    stage.ask(OLGA, "GET /jobs", must=must)
    return silent.heard


def test_a_right_answer_is_told_with_the_fields_that_were_checked() -> None:
    (heard,) = asking(200, {"data": [{"id": 1, "more": 2}]}, {"data/0/id": 1})
    assert (heard.status, heard.answered) == (200, {"data/0/id": 1})


@pytest.mark.parametrize(
    ("status", "answer", "sentence"),
    [
        (200, {"cents": 1_951}, "Olga asked GET /jobs and got cents 1951 where 1950 is right."),
        (200, {"cents": "1950"}, "Olga asked GET /jobs and got cents '1950' where 1950 is right."),
        (200, {}, "Olga asked GET /jobs and got cents None where 1950 is right."),
        (402, {"detail": "Not enough."}, "Olga asked GET /jobs and got 402 where 200 is right: Not enough."),
        (200, [], "Olga asked GET /jobs and got cents None where 1950 is right."),
        (502, None, "Olga asked GET /jobs and got 502 where 200 is right: None"),
    ],
)
def test_a_wrong_answer_ends_the_story_in_one_sentence(status: int, answer: Any, sentence: str) -> None:
    with pytest.raises(DemoFailed, match=sentence):
        asking(status, answer, {"cents": 1_950})


# -- books that are not right --------------------------------------------------------------------------------------

ESCROW = "owner:o:escrow:j"


def entry(type_: str, debit: str, credit: str, cents: int) -> dict[str, Any]:
    postings = [
        {"account": debit, "side": "debit", "amountCents": cents},
        {"account": credit, "side": "credit", "amountCents": cents},
    ]
    return {"type": type_, "postings": postings}


JOURNAL = [
    entry("credit_purchase", "gateway:clearing", "owner:o:credits", 1_000),
    entry("escrow_hold", "owner:o:credits", ESCROW, 390),
    entry("settlement_payout", ESCROW, "tester:t:payable", 100),
    entry("settlement_fee", ESCROW, "platform:fees", 30),
    entry("dispute_refund", ESCROW, "owner:o:credits", 60),
]
BALANCES = {
    "gateway:clearing": 1_000,
    "owner:o:credits": 670,
    ESCROW: 200,
    "tester:t:payable": 100,
    "platform:fees": 30,
}


def test_right_books_have_no_problem() -> None:
    books = books_of(JOURNAL, BALANCES)
    assert list(books.problems()) == []
    (job,) = books.jobs
    assert (job.held_cents, job.paid_cents, job.fee_cents, job.released_cents, job.escrow_cents) == (
        390, 100, 30, 60, 200,
    )  # fmt: skip


@pytest.mark.parametrize("account", BALANCES)
def test_a_balance_that_is_a_cent_off_is_found(account: str) -> None:
    problems = list(books_of(JOURNAL, {**BALANCES, account: BALANCES[account] + 1}).problems())
    assert problems[0].startswith(f"{account} has {BALANCES[account] + 1} cents")
    assert problems[-1] == "The accounts do not add up to zero."


def test_an_account_that_is_told_nowhere_is_found() -> None:
    told = {name: cents for name, cents in BALANCES.items() if name != "platform:fees"}
    assert "platform:fees has 0 cents; its journal adds up to 30." in list(books_of(JOURNAL, told).problems())


def test_an_account_below_zero_is_found() -> None:
    overdrawn = [entry("withdrawal", "tester:t:payable", "payouts:clearing", 5)]
    books = books_of(overdrawn, {"tester:t:payable": -5, "payouts:clearing": 5})
    assert list(books.problems()) == ["tester:t:payable is below zero: -5 cents."]


def test_a_cent_that_leaves_escrow_unaccounted_for_is_found() -> None:
    problems = list(books_of(JOURNAL, {**BALANCES, ESCROW: 199}).problems())
    assert "Of the 390 cents held in owner:o:escrow:j not every cent is accounted for." in problems
