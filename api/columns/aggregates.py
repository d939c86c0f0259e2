"""Which aggregate each event belongs to."""

from collections.abc import Mapping
from typing import Any, get_args

from domain.access.decider import ACCESS
from domain.access.events import AccessEvent
from domain.books.decider import BOOKINGS, CASES, MONTHS, RUNS
from domain.books.events import CaseEvent, MonthClosed, Reconciled, ToldByStatement
from domain.credits.decider import CREDITS
from domain.credits.events import CreditsEvent
from domain.decider import Decider
from domain.job.decider import JOB
from domain.job.events import JobEvent
from domain.tester.decider import WALLET
from domain.tester.events import WalletEvent
from projections.columns.fold import Evolve

_AGGREGATES: tuple[tuple[Decider[Any, Any, Any], Any], ...] = (
    (JOB, JobEvent),
    (CREDITS, CreditsEvent),
    (WALLET, WalletEvent),
    (ACCESS, AccessEvent),
    (BOOKINGS, ToldByStatement),
    (CASES, CaseEvent),
    (RUNS, Reconciled),
    (MONTHS, MonthClosed),
)

EVOLVES: Mapping[type, Evolve] = {
    event: decider.evolve for decider, events in _AGGREGATES for event in (get_args(events) or (events,))
}
