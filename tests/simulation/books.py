"""What must be so in any database of the platform at any time, whoever wrote it: read past the program's own reads."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from api.evidence import tree
from api.store.mapper import to_recorded
from api.store.sql_reads import BALANCES_OF_ALL_ACCOUNTS
from domain.job import events as job_events
from domain.job.deadlines import deadlines
from domain.job.decider import JOB
from domain.job.events import JobEvent
from domain.job.state import Assignment, AssignmentStatus, Job, Phase
from domain.ledger.accounts import Side, kind_of
from domain.recorded import SYSTEM, Recorded
from projections.times import iso
from tests.local import Where, opened

Row = dict[str, Any]

HELD = ("escrow_hold", "escrow_hold_increase")
RELEASED = ("escrow_release_unused", "escrow_release_cancelled", "dispute_refund")


class Stored(NamedTuple):
    """One event as it lies in the file."""

    stream: UUID
    version: int
    position: int
    name: str
    state: bytes

    def recorded(self) -> Recorded[Any]:
        return to_recorded(*self)


class File:
    """A database's rows at one instant."""

    def __init__(self, path: Where) -> None:
        with opened(path) as connection:
            if isinstance(path, str):
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            else:
                connection.execute("BEGIN")
            self.head = _rows(connection, "head")[0]
            self.journal = _rows(connection, "journal")
            self.jobs = _rows(connection, "jobs")
            self.assignments = _rows(connection, "assignments")
            self.wallets = {row["tester_id"]: row for row in _rows(connection, "wallets")}
            self.billing = {row["owner_id"]: row for row in _rows(connection, "billing")}
            self.balances = dict(connection.execute(BALANCES_OF_ALL_ACCOUNTS).fetchall())
            self.stored = [
                Stored(UUID(row["originator_id"]), row["originator_version"], *_rest(row))
                for row in _rows(connection, "stored_events")
            ]
        self.recorded = [one.recorded() for one in self.stored]
        self.streams: dict[UUID, list[Recorded[Any]]] = defaultdict(list)
        for one in self.recorded:
            self.streams[one.stream].append(one)

    def deadlines_passed(self) -> list[tuple[int, int, str, str | None]]:
        """When, of which kind, of which job and tester, in the order of the log."""
        return [
            (one.occurred_at, _KINDS.get(type(one.event), 2), str(one.stream), _tester(one.event))
            for one in self.recorded
            if one.actor == SYSTEM and one.causation_id is None and isinstance(one.event, JobEvent)
        ]

    # All that is always so

    def check(self) -> None:
        self.check_log()
        self.check_books()
        self.check_jobs()
        self.check_people()

    def check_log(self) -> None:
        """Positions and versions without gaps, times that never go back, and a tree over exactly these bytes."""
        assert [one.position for one in self.stored] == list(range(1, self.head["position"] + 1))
        for events in self.streams.values():
            assert [one.version for one in events] == list(range(1, len(events) + 1))
        times = [one.occurred_at for one in self.recorded]
        assert times == sorted(times)
        assert not times or times[-1] <= self.head["last_time"]
        leaves = [tree.leaf_bytes(one.stream, one.version, one.name, one.state) for one in self.stored]
        assert tree.append(0, b"", leaves) == self.head["peaks"]

    def check_books(self) -> None:
        """Each entry moves something between two accounts; balances are their sums; nothing is overdrawn or lost."""
        sums: Counter[str] = Counter()
        for entry in self.journal:
            assert entry["amount_cents"] > 0
            assert entry["debit_account"] != entry["credit_account"]
            sums[entry["debit_account"]] += entry["amount_cents"]
            sums[entry["credit_account"]] -= entry["amount_cents"]
        assert sum(sums.values()) == 0
        for account, balance in self.balances.items():
            kind = kind_of(account)
            is_debit = kind.normal_side is Side.DEBIT
            assert balance == (sums.pop(account) if is_debit else -sums.pop(account))
            assert balance >= 0 or kind.may_go_below_zero, f"{account} is overdrawn"
        assert not sums
        debits = sum(cents for name, cents in self.balances.items() if kind_of(name).normal_side is Side.DEBIT)
        assert 2 * debits == sum(self.balances.values()), "debits and credits differ"

    def check_jobs(self) -> None:
        moved: dict[str, Counter[str]] = defaultdict(Counter)
        for entry in self.journal:
            if entry["job_id"]:
                moved[entry["job_id"]][entry["type"]] += entry["amount_cents"]
        assert set(moved) <= {row["job_id"] for row in self.jobs}
        rows: dict[str, list[Row]] = defaultdict(list)
        for row in self.assignments:
            rows[row["job_id"]].append(row)
        for row in self.jobs:
            self._check_money(row, moved[row["job_id"]])
            self._check_job(row, rows[row["job_id"]])

    def _check_money(self, row: Row, moved: Counter[str]) -> None:
        """What was held was paid, taken as fee, released, or lies in escrow."""
        held, released = sum(moved[name] for name in HELD), sum(moved[name] for name in RELEASED)
        in_escrow = row["escrow_balance_cents"]
        assert held == moved["settlement_payout"] + moved["settlement_fee"] + released + in_escrow
        assert self.balances.get(f"owner:{row['owner_id']}:escrow:{row['job_id']}", 0) == in_escrow
        if row["status"] in ("active", "paused", "closing") or row["settlement_status"] == "pending_approval":
            assert row["escrow_hold_cents"] == in_escrow
        if row["settlement_status"] in ("approved", "resolved"):
            assert in_escrow == 0
        assert 0 <= in_escrow <= row["escrow_hold_cents"]

    def _check_job(self, row: Row, assignments: list[Row]) -> None:
        """The rows say what the job's own history adds up to."""
        events = self.streams[UUID(row["job_id"])]
        job = JOB.fold(one.event for one in events)
        assert job is not None
        assert row == row | {
            "version": len(events),
            "owner_id": str(job.owner_id),
            "status": job.status,
            "settlement_status": job.settlement_status,
            "settlement_deadline": job.settlement_deadline,
            "closed_reason": job.closed_reason,
            "target_testers": job.target,
            "open_slots": job.open_slots,
            "escrow_hold_cents": job.hold_cents,
            "escrow_balance_cents": job.escrow_cents,
            "starts_at": job.terms.starts_at,
            "assignments": len(job.assignments),
            "completed": job.completed,
        }
        assert json.loads(row["posted"])["createdAt"] == iso(events[0].occurred_at)
        assert json.loads(row["maxima"]) == {str(variant): most for variant, most in job.maxima.items()}
        assert [UUID(a["assignment_id"]) for a in assignments] == list(job.assignments)
        for one, state in zip(assignments, job.assignments.values(), strict=True):
            _check_assignment(one, state)
        _check_deadlines(job, row, assignments)

    def check_people(self) -> None:
        """Billing and wallets are other views of the same accounts."""
        escrow: Counter[str] = Counter()
        for name, cents in self.balances.items():
            if ":escrow:" in name:
                escrow[name.split(":")[1]] += cents
        for owner, row in self.billing.items():
            assert row["balance_cents"] == self.balances[f"owner:{owner}:credits"]
            assert row["held_cents"] == escrow[owner]
        for tester, row in self.wallets.items():
            payable = self.balances.get(f"tester:{tester}:payable", 0)
            assert row["granted_cents"] - row["withdrawn_cents"] == payable
            assert row["pending_cents"] >= 0


_KINDS = {job_events.ReservationExpired: 0, job_events.TaskTimedOut: 1, job_events.Approved: 3}
"""Which deadline an event is the first one of; any other is the end of posting."""


def _tester(event: JobEvent) -> str | None:
    tester_id = getattr(event, "tester_id", None)
    return None if tester_id is None else str(tester_id)


def _rows(connection: Any, table: str) -> list[Row]:
    cursor = connection.execute(f"SELECT * FROM {table} ORDER BY 1")
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor]


def _rest(row: Row) -> tuple[int, str, bytes]:
    return row["position"], row["topic"], row["state"]


def _check_assignment(row: Row, state: Assignment) -> None:
    completed = state.status is AssignmentStatus.COMPLETED
    assert row == row | {
        "tester_id": str(state.tester_id),
        "tester_public_id": state.tester_public_id,
        "variant_id": str(state.variant_id),
        "status": state.status.value,
        "reserved_until": state.reserved_until,
        "started_at": state.started_at,
        "hard_deadline": state.hard_deadline,
        "completed_at": state.completed_at,
        "duration_minutes": state.duration_minutes,
        "earned_cents": state.payout_cents if completed else None,
        "earned_fee_cents": state.fee_cents if completed else None,
    }
    if state.settled_as in (Phase.DISPUTED, Phase.RESOLVED):
        assert row["settlement_status"] == state.settled_as.value
    else:
        assert row["settlement_status"] is None


def _check_deadlines(job: Job, row: Row, assignments: Iterable[Row]) -> None:
    """What the rows wait for is what the rules wait for."""
    waiting = {(d.due_at, d.kind.value, str(d.assignment_id) if d.assignment_id else None) for d in deadlines(job)}
    told = {(a["due_at"], a["due_kind"], a["assignment_id"]) for a in assignments if a["due_at"] is not None}
    if row["due_at"] is not None:
        told.add((row["due_at"], row["due_kind"], None))
    assert told == waiting
