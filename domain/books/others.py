"""What the books ask of an owner's credits and a tester's wallet: the other half of what a statement tells."""

from domain.books.events import DISPUTE, REFUND, GatewayLineBooked, PayoutReturned, ToldByStatement
from domain.credits.commands import Reversal, ReversePurchase
from domain.tester.commands import TakeBack

_REVERSALS = {REFUND: Reversal.REFUND, DISPUTE: Reversal.CHARGEBACK}


def reversal(event: ToldByStatement) -> ReversePurchase | None:
    """What a line asks of its owner's credits, where it takes a purchase back."""
    if not isinstance(event, GatewayLineBooked) or not event.reversed_cents:
        return None
    assert event.purchase_id is not None, "what is taken back was purchased"
    return ReversePurchase(
        purchase_id=event.purchase_id,
        kind=_REVERSALS[event.category],
        reference=event.reference,
        amount_cents=event.reversed_cents,
        dated_at=event.dated_at,
    )


def take_back(event: ToldByStatement) -> TakeBack | None:
    """What a payout that came back asks of its tester's wallet."""
    if not isinstance(event, PayoutReturned):
        return None
    return TakeBack(withdrawal_id=event.withdrawal_id, amount_cents=event.amount_cents)
