"""The rules of the books: each line is booked once, no adjustment by one person alone, each month closed once."""

from dataclasses import replace
from typing import assert_never

from domain.books import commands as c
from domain.books import events as e
from domain.books.state import Booked, Case, GatewayPayout, Months, SentPayout
from domain.decider import Decider
from domain.errors import AlreadyResolved, Forbidden, InvalidState, InvariantBroken
from domain.times import Instant

# What statements tell


def decide_booking(command: c.BookingCommand, booked: Booked | None, now: Instant) -> tuple[e.ToldByStatement, ...]:
    """What is told, once; nothing when it was told before. Raises InvalidState when it was told otherwise."""
    told = command.told
    if _is_new(told, booked):
        return (told,)
    if _was_told(told, booked):
        return ()
    raise InvalidState(f"{_name(told)} was told otherwise before, or what comes before it was not told.")


def _is_new(told: e.ToldByStatement, booked: Booked | None) -> bool:
    match told, booked:
        case e.GatewayLineBooked() | e.GatewayPaidOut() | e.PayoutSettled(), None:
            return True
        case e.GatewayPayoutArrived(), GatewayPayout(arrived_as=None, is_returned=False):
            return True
        case e.GatewayPayoutReturned(amount_cents=cents), GatewayPayout(is_returned=False):
            return booked.amount_cents == cents
        case e.PayoutReturned(amount_cents=cents), SentPayout(returned_as=None):
            return booked.amount_cents == cents
        case _:
            return False


def _was_told(told: e.ToldByStatement, booked: Booked | None) -> bool:
    """Whether the same is in the books already, be it from another file."""
    match told, booked:
        case e.GatewayLineBooked(), e.GatewayLineBooked():
            same = replace(told, statement=booked.statement, dated_at=booked.dated_at)
            return replace(same, payout_id=booked.payout_id) == booked
        case e.GatewayPaidOut(amount_cents=cents), GatewayPayout():
            return booked.amount_cents == cents
        case e.GatewayPayoutReturned(amount_cents=cents), GatewayPayout(is_returned=True):
            return booked.amount_cents == cents
        case e.GatewayPayoutArrived(bank_reference=reference), GatewayPayout():
            return booked.arrived_as == reference
        case e.PayoutSettled(bank_reference=reference, amount_cents=cents), SentPayout():
            return (booked.settled_as, booked.amount_cents) == (reference, cents)
        case e.PayoutReturned(bank_reference=reference), SentPayout():
            return booked.returned_as == reference
        case _:
            return False


def _name(told: e.ToldByStatement) -> str:
    match told:
        case e.GatewayLineBooked():
            return f"The gateway's line {told.reference}"
        case e.GatewayPaidOut() | e.GatewayPayoutReturned() | e.GatewayPayoutArrived():
            return f"The gateway's payout {told.payout_id}"
        case e.PayoutSettled() | e.PayoutReturned():
            return f"The withdrawal {told.withdrawal_id}"
        case _:
            assert_never(told)


def evolve_booking(booked: Booked | None, event: e.ToldByStatement) -> Booked:
    """What is known after the event. Raises InvariantBroken on impossible history."""
    match booked, event:
        case None, e.GatewayLineBooked():
            return event
        case None, e.GatewayPaidOut():
            return GatewayPayout(event.amount_cents)
        case GatewayPayout(), e.GatewayPayoutArrived():
            return replace(booked, arrived_as=event.bank_reference)
        case GatewayPayout(), e.GatewayPayoutReturned():
            return replace(booked, is_returned=True)
        case None, e.PayoutSettled():
            return SentPayout(event.amount_cents, event.bank_reference)
        case SentPayout(), e.PayoutReturned():
            return replace(booked, returned_as=event.bank_reference)
        case _:
            raise InvariantBroken(f"{type(event).__name__} cannot follow {type(booked).__name__}.")


# Adjustments

_OTHERWISE = {
    e.Remedy.REBUILD: "The log is right and a read model is not: call tallyhold rebuild, and run again.",
    e.Remedy.WAIT: "One side is behind: run again once the other side's statement has it.",
}


def decide_case(
    command: c.CaseCommand, case: Case | None, now: Instant
) -> tuple[e.AdjustmentProposed | e.Adjusted, ...]:
    """The proposal, or its confirmation by somebody else; nothing for what holds already."""
    match command:
        case c.ProposeAdjustment():
            return _propose(command, case)
        case c.ConfirmAdjustment():
            return _confirm(command, case)
        case _:
            assert_never(command)


def _propose(command: c.ProposeAdjustment, case: Case | None) -> tuple[e.AdjustmentProposed, ...]:
    found = command.found
    if found.remedy in _OTHERWISE:
        raise InvalidState(_OTHERWISE[found.remedy])
    proposed = e.AdjustmentProposed(
        run_id=command.run_id,
        number=command.number,
        operator_id=command.operator_id,
        reason=command.reason,
        key=found.key,
        account=found.account,
        difference_cents=found.difference_cents,
    )
    if case is None:
        return (proposed,)
    if case.is_adjusted:
        raise AlreadyResolved("This break was adjusted; a new run shows whether anything is left of it.")
    if proposed == case.proposal:
        return ()
    raise InvalidState("There is a proposal for this break already; another operator may confirm it.")


def _confirm(command: c.ConfirmAdjustment, case: Case | None) -> tuple[e.Adjusted, ...]:
    if case is None:
        raise InvalidState("Nobody has proposed anything for this break yet.")
    if case.is_adjusted:
        return ()
    proposal, found = case.proposal, command.found
    if command.operator_id == proposal.operator_id:
        raise Forbidden("Who has proposed an adjustment cannot confirm it; another operator must.")
    if (found.account, found.difference_cents) != (proposal.account, proposal.difference_cents):
        raise InvalidState(f"The proposal is for another amount; confirm it at run {proposal.run_id}.")
    return (
        e.Adjusted(
            run_id=command.run_id,
            number=command.number,
            operator_id=command.operator_id,
            proposed_by=proposal.operator_id,
            key=found.key,
            account=found.account,
            difference_cents=found.difference_cents,
            dated_at=command.dated_at,
        ),
    )


def evolve_case(case: Case | None, event: e.CaseEvent) -> Case:
    """The case after the event. Raises InvariantBroken on impossible history."""
    match case, event:
        case None, e.AdjustmentProposed():
            return Case(event)
        case Case(is_adjusted=False), e.Adjusted():
            return replace(case, is_adjusted=True)
        case _:
            raise InvariantBroken(f"{type(event).__name__} cannot follow {type(case).__name__}.")


# Runs


def decide_run(command: c.RunCommand, run: e.Reconciled | None, now: Instant) -> tuple[e.Reconciled, ...]:
    """The run, kept once."""
    return (command.run,) if run is None else ()


def evolve_run(run: e.Reconciled | None, event: e.Reconciled) -> e.Reconciled:
    """A run is what was found; nothing changes it."""
    if run is not None:
        raise InvariantBroken("A reconciliation cannot be kept twice.")
    return event


# Months


def decide_month(command: c.MonthCommand, months: Months | None, now: Instant) -> tuple[e.MonthClosed, ...]:
    """The closing. Raises InvalidState for a month that is not over, and for one that is closed."""
    if now < command.ends_at:
        raise InvalidState(f"The month {command.month} is not over in {command.timezone}.")
    if months is not None and command.month in months.closed:
        raise InvalidState(f"The month {command.month} is closed already.")
    return (
        e.MonthClosed(
            month=command.month,
            timezone=command.timezone,
            begins_at=command.begins_at,
            ends_at=command.ends_at,
            position=command.position,
            tree_root=command.tree_root,
        ),
    )


def evolve_month(months: Months | None, event: e.MonthClosed) -> Months:
    """The months that are closed after the event. Raises InvariantBroken if it was closed before."""
    closed = (months or Months()).closed
    if event.month in closed:
        raise InvariantBroken(f"The month {event.month} was closed twice.")
    return Months(closed | {event.month})


BOOKINGS: Decider[c.BookingCommand, Booked, e.ToldByStatement] = Decider(decide_booking, evolve_booking)
CASES: Decider[c.CaseCommand, Case, e.CaseEvent] = Decider(decide_case, evolve_case)
RUNS: Decider[c.RunCommand, e.Reconciled, e.Reconciled] = Decider(decide_run, evolve_run)
MONTHS: Decider[c.MonthCommand, Months, e.MonthClosed] = Decider(decide_month, evolve_month)
