"""Purchases of credits: the open ones are asked again at the gateway when the service starts."""

from collections.abc import Iterator

from domain.credits import events as e
from domain.recorded import Recorded
from projections.json import text
from projections.read_model import Change, Index, Insert, ReadModel, Table, Update

PURCHASES = Table(
    name="purchases",
    key="purchase_id",
    primary_key="position",
    columns={
        "position": "INTEGER",
        "purchase_id": "TEXT",
        "owner_id": "TEXT",
        "amount_cents": "INTEGER",
        "status": "TEXT",
    },
    indexes=(Index(("purchase_id",), unique=True), Index(("position",), where="status = 'open'")),
)


def _started(recorded: Recorded[e.PurchaseStarted]) -> Iterator[Change]:
    event = recorded.event
    yield Insert(
        PURCHASES,
        text(event.purchase_id),
        {
            "position": recorded.position,
            "purchase_id": text(event.purchase_id),
            "owner_id": text(recorded.stream),
            "amount_cents": event.amount_cents,
            "status": "open",
        },
    )


def _completed(recorded: Recorded[e.PurchaseCompleted]) -> Iterator[Change]:
    yield Update(PURCHASES, text(recorded.event.purchase_id), {"status": "completed"})


def _failed(recorded: Recorded[e.PurchaseFailed]) -> Iterator[Change]:
    yield Update(PURCHASES, text(recorded.event.purchase_id), {"status": "failed"})


PURCHASE_LIST = ReadModel(
    name="purchases",
    version=1,
    tables=(PURCHASES,),
    projectors={e.PurchaseStarted: _started, e.PurchaseCompleted: _completed, e.PurchaseFailed: _failed},
)
