"""Use cases of an owner's credits: a purchase is started, charged at the gateway, and completed or failed.

The start is durable before the gateway is asked, and its id is the gateway's idempotency key: whatever crashes in
between, the open purchase is asked again and is charged once. No gateway is called inside a commit.
"""

import asyncio
import logging
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from api.service.committer import Committer, Reply
from api.service.ids import new_id
from api.service.ports import Charged, Declined, Gateway
from api.service.refusals import GatewayNotConfigured, Unavailable
from api.service.work import Answer, Context, UseCase, Work
from domain.credits.commands import CompletePurchase, FailPurchase, StartPurchase
from domain.credits.decider import CREDITS, EMPTY
from domain.errors import PaymentFailed
from domain.recorded import SYSTEM

log = logging.getLogger("tallyhold.purchases")

CURRENCY = "USD"
CHARGE_SECONDS = 30.0
ASK_AGAIN_SECONDS = 5.0
"""How often the gateway is asked again about open purchases: those that it left open, and those whose start was still
being committed for a process that was killed when the next one began."""


def billing_body(balance_cents: int, held_cents: int, *, has_payment_method: bool) -> dict[str, Any]:
    """An owner's billing, in cents."""
    return {
        "balanceCents": balance_cents,
        "heldCents": held_cents,
        "totalCents": balance_cents + held_cents,
        "currency": CURRENCY,
        "hasPaymentMethod": has_payment_method,
        "autoReload": {"enabled": False, "thresholdCents": None, "reloadAmountCents": None},
    }


def start_purchase(owner_id: UUID, purchase_id: UUID, amount_cents: int) -> UseCase:
    def run(work: Work) -> Answer:
        _decide(work, owner_id, StartPurchase(purchase_id=purchase_id, amount_cents=amount_cents))
        work.waits_for_purchase = purchase_id
        return Answer({})

    return run


def complete_purchase(owner_id: UUID, purchase_id: UUID, reference: str) -> UseCase:
    def run(work: Work) -> Answer:
        _decide(work, owner_id, CompletePurchase(purchase_id=purchase_id, reference=reference))
        work.ends_purchase = purchase_id
        return _billing(work, owner_id)

    return run


def fail_purchase(owner_id: UUID, purchase_id: UUID, reason: str) -> UseCase:
    def run(work: Work) -> Answer:
        _decide(work, owner_id, FailPurchase(purchase_id=purchase_id, reason=reason))
        work.ends_purchase = purchase_id
        return Answer({}, refusal=PaymentFailed(f"The payment was not taken: {reason}."))

    return run


def rehearse_purchase(owner_id: UUID, purchase_id: UUID, amount_cents: int) -> UseCase:
    """What a purchase would do if the gateway took the payment: for dry runs, without asking it."""

    def run(work: Work) -> Answer:
        _decide(work, owner_id, StartPurchase(purchase_id=purchase_id, amount_cents=amount_cents))
        _decide(work, owner_id, CompletePurchase(purchase_id=purchase_id, reference="dry-run"))
        return _billing(work, owner_id)

    return run


def _decide(work: Work, owner_id: UUID, command: Any) -> None:
    work.record(CREDITS, owner_id, CREDITS.decide(command, work.state(CREDITS, owner_id), work.now))


def _billing(work: Work, owner_id: UUID) -> Answer:
    account = work.state(CREDITS, owner_id) or EMPTY
    body = billing_body(account.balance_cents, work.books.held_cents(owner_id), has_payment_method=True)
    return Answer(body, status=201, location="/owner/billing")


class Purchases:
    """Sees each purchase through to its end, also those that a crash or an absent gateway left open."""

    def __init__(self, committer: Committer, gateway: Gateway | None) -> None:
        self._committer = committer
        self._gateway = gateway
        self._under_way: dict[UUID, asyncio.Task[Reply]] = {}

    @property
    def has_gateway(self) -> bool:
        return self._gateway is not None

    async def buy(self, owner_id: UUID, amount_cents: int, context: Context) -> Reply:
        """Buy credits. Raises PaymentFailed, GatewayNotConfigured, or Unavailable when the outcome is not known yet."""
        if self._gateway is None:
            raise GatewayNotConfigured("No payment gateway is configured on this platform.")
        purchase_id = new_id()
        if context.dry_run:
            return await self._committer.submit(rehearse_purchase(owner_id, purchase_id, amount_cents), context)
        context = replace(context, correlation_id=purchase_id)
        started = await self._committer.submit(start_purchase(owner_id, purchase_id, amount_cents), context)
        if started.replayed:
            return started
        return await asyncio.shield(self._see_through(owner_id, purchase_id, amount_cents, context))

    def ask_again(self, owner_id: UUID, purchase_id: UUID, amount_cents: int) -> None:
        """See an open purchase through in the background, unless that is under way."""
        if self._gateway is None or purchase_id in self._under_way:
            return
        context = Context(SYSTEM, correlation_id=purchase_id)
        task = self._see_through(owner_id, purchase_id, amount_cents, context)
        task.add_done_callback(_log_failure)

    def _see_through(
        self, owner_id: UUID, purchase_id: UUID, amount_cents: int, context: Context
    ) -> asyncio.Task[Reply]:
        task = asyncio.get_running_loop().create_task(self._charge(owner_id, purchase_id, amount_cents, context))
        self._under_way[purchase_id] = task
        task.add_done_callback(lambda _: self._under_way.pop(purchase_id, None))
        return task

    async def _charge(self, owner_id: UUID, purchase_id: UUID, amount_cents: int, context: Context) -> Reply:
        assert self._gateway is not None
        try:
            async with asyncio.timeout(CHARGE_SECONDS):
                outcome = await self._gateway.charge(purchase_id, owner_id, amount_cents)
        except (OSError, TimeoutError) as error:
            log.warning("the gateway did not answer; the purchase stays open", extra={"purchase": str(purchase_id)})
            what_next = "Ask again with the same idempotency key" if context.scope else "Look at your billing later"
            raise Unavailable(f"The payment gateway did not answer; the purchase goes on. {what_next}.") from error
        use_case = _ending(owner_id, purchase_id, outcome)
        # Whatever became of the key meanwhile: the money is taken, or is not.
        ending = replace(context, scope=None, if_match=None, key_good_at=None)
        return await self._committer.submit(use_case, ending)


def _ending(owner_id: UUID, purchase_id: UUID, outcome: Charged | Declined) -> UseCase:
    if isinstance(outcome, Charged):
        return complete_purchase(owner_id, purchase_id, outcome.reference)
    return fail_purchase(owner_id, purchase_id, outcome.reason)


def _log_failure(task: asyncio.Task[Reply]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("an open purchase was asked about, and not completed", exc_info=error)
