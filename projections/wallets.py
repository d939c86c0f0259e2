"""Wallets: what each tester has earned, may withdraw and has withdrawn. Cents."""

from collections.abc import Iterator
from uuid import UUID

from domain.job import events as job
from domain.recorded import Recorded
from domain.tester import events as tester
from projections.json import text
from projections.read_model import Add, Change, ReadModel, Table

WALLETS = Table(
    name="wallets",
    key="tester_id",
    primary_key="tester_id",
    columns={
        "tester_id": "TEXT",
        "pending_cents": "INTEGER",
        "granted_cents": "INTEGER",
        "withdrawn_cents": "INTEGER",
    },
)
"""Pending: earned and not yet decided. Granted less withdrawn is payable."""


def _add(tester_id: UUID, *, pending_cents: int = 0, granted_cents: int = 0, withdrawn_cents: int = 0) -> Add:
    key = text(tester_id)
    added = {"pending_cents": pending_cents, "granted_cents": granted_cents, "withdrawn_cents": withdrawn_cents}
    return Add(WALLETS, key, {"tester_id": key}, added)


def _completed(recorded: Recorded[job.TaskCompleted]) -> Iterator[Change]:
    yield _add(recorded.event.tester_id, pending_cents=recorded.event.payout_cents)


def _granted(recorded: Recorded[job.PayoutGranted]) -> Iterator[Change]:
    paid = recorded.event.payout_cents
    yield _add(recorded.event.tester_id, pending_cents=-paid, granted_cents=paid)


def _refunded(recorded: Recorded[job.Refunded]) -> Iterator[Change]:
    yield _add(recorded.event.tester_id, pending_cents=-recorded.event.payout_cents)


def _withdrawn(recorded: Recorded[tester.Withdrawn]) -> Iterator[Change]:
    yield _add(recorded.stream, withdrawn_cents=recorded.event.amount_cents)


def _taken_back(recorded: Recorded[tester.TakenBack]) -> Iterator[Change]:
    yield _add(recorded.stream, withdrawn_cents=-recorded.event.amount_cents)


WALLET_LIST = ReadModel(
    name="wallets",
    version=1,
    tables=(WALLETS,),
    projectors={
        job.TaskCompleted: _completed,
        job.PayoutGranted: _granted,
        job.Refunded: _refunded,
        tester.Withdrawn: _withdrawn,
        tester.TakenBack: _taken_back,
    },
)
