"""The names under which events lie in the log. A name, once released, means the same event for ever."""

from collections.abc import Mapping

from domain.access import events as access
from domain.books import events as books
from domain.credits import events as credits
from domain.job import events as job
from domain.tester import events as wallet

EVENTS: Mapping[str, type] = {
    "job.created": job.Created,
    "job.paused": job.Paused,
    "job.resumed": job.Resumed,
    "job.stopped": job.Stopped,
    "job.resized": job.Resized,
    "job.cancelled": job.Cancelled,
    "job.settled": job.Settled,
    "job.approved": job.Approved,
    "job.disputed": job.Disputed,
    "job.statement_given": job.StatementGiven,
    "job.resolved": job.Resolved,
    "job.slot_taken": job.SlotTaken,
    "job.task_started": job.TaskStarted,
    "job.proof_rejected": job.ProofRejected,
    "job.task_completed": job.TaskCompleted,
    "job.slot_returned": job.SlotReturned,
    "job.reservation_expired": job.ReservationExpired,
    "job.task_timed_out": job.TaskTimedOut,
    "job.assignment_cancelled": job.AssignmentCancelled,
    "job.payout_granted": job.PayoutGranted,
    "job.refunded": job.Refunded,
    "credits.purchase_started": credits.PurchaseStarted,
    "credits.purchase_completed": credits.PurchaseCompleted,
    "credits.purchase_failed": credits.PurchaseFailed,
    "credits.held": credits.Held,
    "credits.released": credits.Released,
    "credits.charged_back": credits.ChargedBack,
    "credits.purchase_refunded": credits.PurchaseRefunded,
    "wallet.withdrawn": wallet.Withdrawn,
    "wallet.taken_back": wallet.TakenBack,
    "access.registered": access.Registered,
    "access.key_issued": access.KeyIssued,
    "access.key_revoked": access.KeyRevoked,
    "access.forgotten": access.Forgotten,
    "books.gateway_line_booked": books.GatewayLineBooked,
    "books.gateway_paid_out": books.GatewayPaidOut,
    "books.gateway_payout_returned": books.GatewayPayoutReturned,
    "books.gateway_payout_arrived": books.GatewayPayoutArrived,
    "books.payout_settled": books.PayoutSettled,
    "books.payout_returned": books.PayoutReturned,
    "books.reconciled": books.Reconciled,
    "books.adjustment_proposed": books.AdjustmentProposed,
    "books.adjusted": books.Adjusted,
    "books.month_closed": books.MonthClosed,
}

NAMES: Mapping[type, str] = {event: name for name, event in EVENTS.items()}
