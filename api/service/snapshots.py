"""States of long streams, kept so that one that is not at hand is not folded from its beginning.

The log decides: a snapshot in another form than this program's is as good as none, one of a job counts only if it is
of the job's last event, and whatever looks through a whole job folds its log. Of a job only the head is kept, as often
as it changes; its assignments are the rows of the read model, written in the same transaction, each read when it is
asked for. Of an owner's credits the whole state is kept every so many events, and the events since then are folded.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from hashlib import sha256
from operator import attrgetter
from types import MappingProxyType
from typing import Any, cast, get_type_hints
from uuid import UUID

import msgspec

from api.service.ports import KeptState, Store
from api.service.work import Stream
from domain.credits.decider import CREDITS
from domain.credits.state import Account
from domain.decider import Decider
from domain.job.decider import JOB
from domain.job.state import Assignment, Assignments, Job
from domain.recorded import Recorded

LONG = 64
"""Events of a stream from which on its state is kept; folding fewer takes about a millisecond."""

_PINNED = ("owner_id", "terms", "slot_hold_cents", "posting_ends_at")
"""What a job's first event says, and nothing changes."""

_encode = msgspec.msgpack.Encoder().encode


def _form(name: str, types: dict[str, Any]) -> str:
    """Of a state with these fields: with other ones it is another form."""
    return f"{name}-{sha256(repr(types).encode()).hexdigest()[:16]}"


_TYPES = {
    each.name: get_type_hints(Job)[each.name] for each in fields(Job) if each.name not in (*_PINNED, "assignments")
}
_head = attrgetter(*_TYPES)
_job_decoder = msgspec.msgpack.Decoder(tuple[int, tuple[tuple(_TYPES.values())]])  # type: ignore[misc]
_account_decoder = msgspec.msgpack.Decoder(tuple[int, dict[UUID, int]])
JOB_FORM = _form("job", _TYPES)
CREDITS_FORM = _form("credits", get_type_hints(Account))
DECIDERS: dict[str, Decider[Any, Any, Any]] = {JOB_FORM: JOB, CREDITS_FORM: CREDITS}
"""Whose states are kept, by their form."""


def encoded(state: Job | Account) -> tuple[str, bytes]:
    """A state's form, and its bytes."""
    if isinstance(state, Job):
        return JOB_FORM, _encode((len(state.assignments), _head(state)))
    return CREDITS_FORM, _encode((state.balance_cents, dict(state.open_purchases)))


def snapshots(recorded: Sequence[Recorded[Any]], stream: Callable[[UUID], Stream | None]) -> Iterator[KeptState]:
    """What is to be kept after these events, all of which their streams have."""
    first: dict[UUID, int] = {}
    for one in recorded:
        if one.version >= LONG:
            first.setdefault(one.stream, one.version)
    for stream_id, version in first.items():
        now = stream(stream_id)
        if now is not None and isinstance(now.state, Job | Account):
            form, state = encoded(now.state)
            if isinstance(now.state, Job):
                yield KeptState(stream_id, now.version, form, state if now.state.is_open else None)
            elif now.version // LONG > (version - 1) // LONG:
                yield KeptState(stream_id, now.version, form, state)


def from_snapshot(store: Store, decider: Decider[Any, Any, Any], stream_id: UUID) -> Stream | None:
    """A long stream as its last event has left it; null where it has to be folded from its beginning."""
    if decider is JOB:
        return _job(store, stream_id)
    return _credits(store, stream_id) if decider is CREDITS else None


def _job(store: Store, stream_id: UUID) -> Stream | None:
    found = store.snapshot(stream_id, JOB_FORM)
    if found is None or store.load(stream_id, found.version, 1):
        return None
    job = cast(Job, JOB.fold(one.event for one in store.load(stream_id, 0, 1)))
    count, head = _job_decoder.decode(cast(bytes, found.state))
    for name, value in zip(_TYPES, head, strict=True):
        setattr(job, name, value)
    job.assignments = Assignments(_InStore(store, stream_id), count)
    return Stream(job, found.version)


class _InStore:
    """See Elsewhere. Reads within the transaction in which the job was asked for something."""

    def __init__(self, store: Store, job_id: UUID) -> None:
        self._store = store
        self._job_id = job_id

    def one(self, assignment_id: UUID) -> Assignment | None:
        return self._store.assignment(self._job_id, assignment_id)

    def of_tester(self, tester_id: UUID) -> Assignment | None:
        return self._store.assignment_of(self._job_id, tester_id)

    def all(self) -> Iterable[Assignment]:
        """Money moves for all of them at once: then the log is asked itself."""
        job = cast(Job, JOB.fold(one.event for one in self._store.load(self._job_id)))
        return job.assignments.values()


def _credits(store: Store, stream_id: UUID) -> Stream | None:
    found = store.snapshot(stream_id, CREDITS_FORM)
    if found is None:
        return None
    balance_cents, open_purchases = _account_decoder.decode(cast(bytes, found.state))
    since = store.load(stream_id, found.version)
    account = CREDITS.fold((one.event for one in since), Account(balance_cents, MappingProxyType(open_purchases)))
    return Stream(account, found.version + len(since))
