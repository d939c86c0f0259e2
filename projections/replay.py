"""From recorded events to changes of rows: the same code for live and for rebuild."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from domain.recorded import Recorded
from projections.access import ACCESS_LIST
from projections.assignments import ASSIGNMENT_LIST
from projections.disputes import DISPUTE_LIST
from projections.jobs import JOB_LIST
from projections.ledger import LEDGER
from projections.months import MONTH_LIST
from projections.purchases import PURCHASE_LIST
from projections.read_model import Change, Projector, ReadModel, Table
from projections.reconciliations import RECONCILIATION_LIST
from projections.wallets import WALLET_LIST

READ_MODELS: tuple[ReadModel, ...] = (
    JOB_LIST,
    ASSIGNMENT_LIST,
    DISPUTE_LIST,
    LEDGER,
    WALLET_LIST,
    PURCHASE_LIST,
    ACCESS_LIST,
    RECONCILIATION_LIST,
    MONTH_LIST,
)

TABLES: tuple[Table, ...] = tuple(table for model in READ_MODELS for table in model.tables)


def views_version() -> str:
    """Which forms of the read models this program writes: another one means that they must be rebuilt."""
    return " ".join(f"{model.name}:{model.version}" for model in READ_MODELS)


def _projectors() -> Mapping[type, tuple[Projector, ...]]:
    table: dict[type, tuple[Projector, ...]] = {}
    for model in READ_MODELS:
        for event, projector in model.projectors.items():
            table[event] = (*table.get(event, ()), projector)
    return table


_PROJECTORS = _projectors()


def changes(recorded: Iterable[Recorded[Any]]) -> Iterator[Change]:
    """What events change in all read models, in the order of the events."""
    for one in recorded:
        for projector in _PROJECTORS.get(type(one.event), ()):
            yield from projector(one)
