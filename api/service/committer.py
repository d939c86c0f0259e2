"""The committer: decides commands one after the other and makes a batch of them durable at once.

While one batch is being committed, the next one forms. A batch is one transaction: the head of the log is locked,
what fell due is written, each command is decided, and events, read models, kept answers and head are committed
with one fsync. Only then is anybody answered, refusals included, so that every answer is linearizable.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from api.service.busy import once_free
from api.service.cache import WeighedCache
from api.service.ports import (
    Begun,
    Changed,
    Clock,
    Due,
    Head,
    KeptAnswer,
    Store,
    StoreBusy,
    StoreFailed,
    TakenOver,
    Written,
)
from api.service.refusals import (
    IdempotencyInProgress,
    IdempotencyMismatch,
    NotAuthenticated,
    Overloaded,
    Unavailable,
    VersionMismatch,
)
from api.service.seals import Seals
from api.service.snapshots import from_snapshot, snapshots
from api.service.work import Answer, Context, Detached, Stream, UseCase, Work, kib
from domain.access.events import AccessEvent, KeyRevoked
from domain.catalogue import NAMES
from domain.credits.decider import CREDITS
from domain.decider import Decider
from domain.errors import FieldProblem, InvalidRequest, InvariantBroken, Refusal
from domain.job.commands import PassDeadline
from domain.job.decider import JOB
from domain.job.events import PayoutGranted
from domain.ledger.accounts import AccountKind, Side
from domain.ledger.rules import journal_entries
from domain.recorded import SYSTEM, Actor, ActorKind, Recorded
from domain.times import Instant
from projections.event_view import event_view
from projections.times import iso

T = TypeVar("T")

log = logging.getLogger("tallyhold.committer")

MAX_WAITING = 4_096
"""Commands that may wait; one more is refused as overloaded."""
MAX_BATCH = 256
MAX_DUE_IN_BATCH = 500
"""Deadlines written in one transaction; the next ones come in the next."""
CACHED_KIB = 64 * 1024
"""Of states, roughly, in each of two generations: some 10,000 usual jobs, or 100,000 assignments."""
MAX_LEARNT = 4_000
"""Events of other processes that are looked through, while they wait, for some ten milliseconds; after more of them all
states are forgotten."""
BUSY_LIMIT_SECONDS = 10.0
EVENTS_SHOWN = 100

WrittenListener: TypeAlias = Callable[[int, int, Sequence[Changed] | None], None]
"""Told of what the log has between two positions, whoever wrote it; of null where that is too much to tell, or where
the read models were made anew."""

_encode = msgspec.json.Encoder().encode
REFUSED = 400
"""The status of a kept answer that is a refusal; its body are the wrong fields."""


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A durable answer, ready to send."""

    status: int
    body: bytes
    location: str | None
    etag: str | None
    position: int
    replayed: bool = False
    waits_for_purchase: UUID | None = None


@dataclass(slots=True, eq=False)
class Waiting:
    use_case: UseCase
    context: Context
    future: asyncio.Future[Reply]


@dataclass(slots=True)
class _Flush:
    """What one transaction has gathered."""

    head: Head
    now: Instant
    one_by_one: bool
    """Whether each deadline and command is written by itself."""
    events: list[Recorded[Any]] = field(default_factory=list)
    """Decided and not written yet."""
    appended: list[Recorded[Any]] = field(default_factory=list)
    repeated: Mapping[bytes, KeptAnswer] = field(default_factory=dict)
    kept: dict[bytes, KeptAnswer] = field(default_factory=dict)
    ended: list[tuple[UUID, KeptAnswer | None]] = field(default_factory=list)
    outcomes: list[tuple[asyncio.Future[Reply], Reply | BaseException]] = field(default_factory=list)
    wrote: bool = False


class _Books:
    """Sums of the read models, and of what this batch has recorded on top of them."""

    def __init__(self, store: Store, recorded: Sequence[Recorded[Any]]) -> None:
        self._store = store
        self._recorded = recorded

    def granted_cents(self, tester_id: UUID) -> int:
        granted = (
            one.event.payout_cents
            for one in self._recorded
            if isinstance(one.event, PayoutGranted) and one.event.tester_id == tester_id
        )
        return self._store.granted_cents(tester_id) + sum(granted)

    def held_cents(self, owner_id: UUID) -> int:
        moved = (
            posting.amount_cents if posting.side is Side.CREDIT else -posting.amount_cents
            for one in self._recorded
            for entry in journal_entries(one)
            for posting in entry.postings
            if posting.account.kind is AccountKind.ESCROW and entry.owner_id == owner_id
        )
        return self._store.held_cents(owner_id) + sum(moved)


class _Poison(Exception):
    """A command or a job whose decision failed in a way that nobody foresaw."""

    def __init__(self, waiting: Waiting | None, job_id: UUID | None) -> None:
        super().__init__()
        self.waiting = waiting
        self.job_id = job_id


class Committer:
    """One per process. Owns the states of streams; nobody else may touch them."""

    def __init__(self, store: Store, clock: Clock, seals: Seals, turn: AbstractAsyncContextManager[None]) -> None:
        """``turn`` is held while a batch is written: see Evidence."""
        self._store = store
        self._turn = turn
        self._clock = clock
        self._seals = seals
        self._waiting: deque[Waiting] = deque()
        self._catch_ups: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._cache: WeighedCache[UUID, Stream] = WeighedCache(CACHED_KIB, kib)
        self._position = -1
        self._head: Head | None = None
        self._catching_up = True
        self.set_aside: set[UUID] = set()
        """Jobs whose deadlines raise errors that nobody foresaw; they stop nobody else."""
        self._views_generation = 0
        self._access_at = 0
        """The position of the last event that happened to a principal or key; no earlier one in any case."""
        self.on_written: list[WrittenListener] = []
        self.taken_over: TakenOver | None = None
        """Why this process can serve no longer."""
        self.on_taken_over: list[Callable[[], None]] = []
        self.commits = 0
        self.commands = 0

    # -- asking ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to serve, on the running loop; once: a second loop would write between the first one's statements."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="committer")
            self._wake.set()

    async def close(self) -> None:
        """Finish what was accepted, refuse the rest."""
        self._closing = True
        self._wake.set()
        if self._task:
            await self._task
        self._thread.shutdown()

    @property
    def is_ready(self) -> bool:
        """Whether all that fell due while nobody was there has been written."""
        return not self._catching_up and not self._closing

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def now(self) -> Instant:
        """The platform's time: never earlier than the log's last time."""
        assert self._head is not None
        if self._head.sandbox_now is not None:
            return self._head.sandbox_now
        return max(self._clock.now(), self._head.last_time)

    @property
    def is_starting(self) -> bool:
        """Whether the log was not looked at yet: until then it has no time."""
        return self._head is None

    @property
    def is_sandbox(self) -> bool:
        return self._head is not None and self._head.sandbox_now is not None

    @property
    def next_due(self) -> Instant | None:
        return self._head.next_due if self._head else None

    def has_due(self) -> bool:
        """Whether a deadline has passed that is not written yet."""
        return self._head is None or (self._head.next_due is not None and self._head.next_due <= self.now())

    def see(self, head: Head) -> None:
        """Learn where other processes have brought the log, its clock and its next deadline."""
        mine = self._head
        if mine is not None and (head.position > mine.position or (head.sandbox_now or 0) > (mine.sandbox_now or 0)):
            self._head = head

    async def catch_up(self) -> None:
        """Return when everything due by now is written. Raises Unavailable while closing."""
        if self._closing:
            raise Unavailable("The service is shutting down; try again in some seconds.")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._catch_ups.append(future)
        self._wake.set()
        await future

    def submit(self, use_case: UseCase, context: Context) -> asyncio.Future[Reply]:
        """Queue a command; the future gives its durable reply, or raises its refusal."""
        if self._closing:
            raise Unavailable("The service is shutting down; try again in some seconds.")
        if len(self._waiting) >= MAX_WAITING:
            raise Overloaded("Too many commands are waiting; try again in a second.")
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(use_case, context, future))
        self._wake.set()
        return future

    # -- the loop ----------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._closing or self._waiting or self._catch_ups:
            await self._wake.wait()
            self._wake.clear()
            # One turn for requests that arrived together with the one that woke us: they share the fsync.
            await asyncio.sleep(0)
            while self._waiting or self._catch_ups:
                await self._round()
            if self._closing:
                break

    async def _round(self) -> None:
        waiting: list[Waiting] = []
        catch_ups, self._catch_ups = self._catch_ups, []
        try:
            behind = await self._flush(waiting)
        except Exception as error:
            self._fail(waiting, catch_ups, error)
            return
        if behind:
            self._catch_ups += catch_ups
        else:
            self._catching_up = False
            for future in catch_ups:
                if not future.done():
                    future.set_result(None)

    def _gather(self, waiting: list[Waiting]) -> None:
        """Add the commands of a batch, as many as it may have."""
        waiting += [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]

    def _fail(self, waiting: Iterable[Waiting], catch_ups: Iterable[asyncio.Future[None]], error: Exception) -> None:
        if isinstance(error, TakenOver):
            self.end_for(error)
        else:
            log.error("a batch could not be written", exc_info=error)
        refusal = Unavailable("The store could not be written. Try again, with the same Idempotency-Key.")
        refusal.__cause__ = error
        futures: list[asyncio.Future[Any]] = [*(w.future for w in waiting), *catch_ups]
        for future in futures:
            if not future.done():
                future.set_exception(refusal)

    def end_for(self, error: TakenOver) -> None:
        """Say once that this process can serve no longer."""
        if self.taken_over is None:
            self.taken_over = error
            log.error(str(error))
            for listener in self.on_taken_over:
                listener()

    async def _flush(self, waiting: list[Waiting]) -> bool:
        """One transaction; ``waiting`` are then the commands of its batch. True when more is due than fits in it: then
        no command was decided yet.

        An error that nobody foresaw must not harm the innocent: what failed is left out and the rest done again,
        where need be with everything written one by one to see which it is.
        """
        one_by_one = is_gathered = False
        while True:
            try:
                async with self._transaction() as head:
                    if not is_gathered:
                        # What came while others held the head joins: fewer batches do more. Nothing joins when it is
                        # done again, or failures that never end would keep the innocent from being written.
                        self._gather(waiting)
                        is_gathered = True
                    flush, behind = await self._write(head, waiting, one_by_one)
                break
            except _Poison as poison:
                self._set_apart(waiting, poison)
            except Exception as error:
                if one_by_one or isinstance(error, (StoreBusy, StoreFailed)):
                    if not is_gathered:
                        self._gather(waiting)  # nobody can lock the head: who waits for it is told so
                    raise
                one_by_one = True
        self._tell(flush)
        if behind:
            self._waiting.extendleft(reversed(waiting))
        return behind

    async def _write(self, head: Head, waiting: list[Waiting], one_by_one: bool) -> tuple[_Flush, bool]:
        """Decide, write and commit."""
        flush = _Flush(head, self._time(head), one_by_one)
        behind = self._write_due(flush)
        if not behind:
            scopes = [w.context.scope for w in waiting if w.context.scope is not None]
            flush.repeated = self._store.kept_answers(scopes) if scopes else {}
            for one in waiting:
                self._decide(one, flush)
        await self._commit(flush)
        return flush, behind

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Head]:
        """In our turn, with the head of the log locked; what fails leaves nothing behind."""
        async with self._turn:
            try:
                yield await self._begin()
            except BaseException:
                self._abandon()
                raise

    async def _begin(self) -> Head:
        self._cache.age()
        head, written = await once_free(self._locked_head, BUSY_LIMIT_SECONDS)
        if head.position != self._position or head.views_generation != self._views_generation:
            self._learn_what_others_wrote(head, written)
        return head

    async def _locked_head(self) -> Begun:
        begin = partial(self._store.begin, self._position, MAX_LEARNT + 1 if self._position >= 0 else 0)
        return await self._in_thread(begin) if self._store.waits else begin()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _learn_what_others_wrote(self, head: Head, written: Sequence[Written]) -> None:
        """Credits are brought up to date: all workers need them again and again. Other states are forgotten."""
        mine, self._position = self._position, head.position
        is_made_anew = head.views_generation != self._views_generation
        self._views_generation = head.views_generation
        if mine < 0 or is_made_anew or len(written) > MAX_LEARNT:
            self._cache.clear()
            self._tell_written(mine, head.position, None)
            return
        for each in written:
            stream, one = self._cache.get(each.stream), each.credits
            if stream is not None and one is not None:
                stream.state, stream.version = CREDITS.evolve(stream.state, one.event), one.version
            else:
                self._cache.drop(each.stream)
        self._tell_written(mine, head.position, [(each.stream, each.is_access) for each in written])

    def _tell_written(self, after: int, upto: int, changes: Sequence[Changed] | None) -> None:
        if changes is None or any(is_access for _, is_access in changes):
            self._access_at = max(self._access_at, upto)
        for listener in self.on_written:
            listener(after, upto, changes)

    def _time(self, head: Head) -> Instant:
        return head.sandbox_now if head.sandbox_now is not None else max(self._clock.now(), head.last_time)

    def _abandon(self) -> None:
        """Roll back, and forget every state: some may hold events that were never kept."""
        self._cache.clear()
        self._store.rollback()

    def _set_apart(self, waiting: list[Waiting], poison: _Poison) -> None:
        if poison.job_id is not None:
            self.set_aside.add(poison.job_id)
            log.critical("job set aside: its deadline failed", extra={"job": str(poison.job_id)}, exc_info=poison)
            return
        assert poison.waiting is not None
        log.error("a command failed", exc_info=poison)
        if not poison.waiting.future.done():
            poison.waiting.future.set_exception(poison.__cause__ or InvariantBroken("a command failed"))
        waiting.remove(poison.waiting)

    def _append(self, flush: _Flush) -> None:
        """Write the events gathered so far."""
        if flush.events:
            self._store.append(flush.events)
            flush.head.position += len(flush.events)
            flush.appended += flush.events
            flush.events = []
            flush.wrote = True

    async def _commit(self, flush: _Flush) -> None:
        """Write all that is left and make it durable; a transaction with nothing in it is rolled back."""
        store, head = self._store, flush.head
        self._append(flush)
        kept_states = tuple(snapshots(flush.appended, self._cache.get))
        store.keep_snapshots(kept_states)
        for each in kept_states:
            if each.state is None:
                self._cache.reweigh(each.stream)  # a job that closed may have fetched all its assignments at once
        if flush.kept:
            store.keep_answers(tuple(flush.kept.values()), flush.now)
        for purchase_id, kept in flush.ended:
            store.finish_kept(purchase_id, kept)
        if flush.kept or flush.ended or flush.wrote:
            head.last_time = max(head.last_time, flush.now)
            store.write_head(head, tuple(self.set_aside))
            head.next_due = await self._in_thread(store.commit)
        else:
            if self.set_aside:
                head.next_due = store.next_due(tuple(self.set_aside))
            store.rollback()
        self._position = head.position
        self._head = head

    def _tell(self, flush: _Flush) -> None:
        """Answer everybody, now that it is durable."""
        self.commits += 1
        self.commands += len(flush.outcomes)
        for future, outcome in flush.outcomes:
            if future.done():
                continue  # the caller has gone away; what it asked for is done all the same
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        if flush.appended:
            changes = [(one.stream, isinstance(one.event, AccessEvent)) for one in flush.appended]
            self._tell_written(flush.appended[0].position - 1, flush.appended[-1].position, changes)

    # -- deadlines ---------------------------------------------------------------------------------------------

    def _write_due(self, flush: _Flush) -> bool:
        """Write what is due by now, in order of due time; True when some is left for the next transaction."""
        next_due = flush.head.next_due
        if not self._catching_up and (next_due is None or next_due > flush.now):
            return False  # a look at the rows is spared; at the start it finds what was set aside before
        written = 0
        while written < MAX_DUE_IN_BATCH:
            due = self._store.due(flush.now, MAX_DUE_IN_BATCH, tuple(self.set_aside))
            if not due:
                return False
            written += self._write_some(due, flush)
        return bool(self._store.due(flush.now, 1, tuple(self.set_aside)))

    def _write_some(self, due: Sequence[Due], flush: _Flush) -> int:
        """Write deadlines up to the first one that they set themselves, which has its turn in its own time."""
        earliest_new: Instant | None = None
        count = 0
        for one in due:
            if earliest_new is not None and one.deadline.due_at >= earliest_new:
                break
            new = self._pass(one, flush)
            if flush.one_by_one:
                self._append_or_blame(flush, _Poison(None, one.job_id))
            earliest_new = min((x for x in (earliest_new, new) if x is not None), default=None)
            count += 1
        self._append(flush)
        return count

    def _pass(self, due: Due, flush: _Flush) -> Instant | None:
        """Write one deadline, stamped with its own time; the deadline that it sets, if any.

        One that had been set aside may come after events that are later than it. It is stamped with the last one's
        time: the log is in the order of time, and what was decided meanwhile rests on what stood.
        """
        work = self._work(Context(SYSTEM), flush, self, now=max(due.deadline.due_at, self._last_occurred(flush)))
        try:
            events = work.command_job(due.job_id, PassDeadline(deadline=due.deadline))
            if not events:
                raise InvariantBroken(f"Nothing follows from {due}.")
        except (StoreBusy, StoreFailed):
            raise  # the store's fault, not the job's
        except Exception as error:
            raise _Poison(None, due.job_id) from error
        flush.events += work.events
        return min((x for x in (getattr(e, "deadline", None) for e in events) if x is not None), default=None)

    def _last_occurred(self, flush: _Flush) -> Instant:
        written = flush.events or flush.appended
        return written[-1].occurred_at if written else self._store.last_occurred()

    # -- commands ----------------------------------------------------------------------------------------------

    def _decide(self, waiting: Waiting, flush: _Flush) -> None:
        try:
            outcome: Reply | BaseException = self._answer(waiting, flush)
        except Refusal as refusal:
            outcome = refusal
        except (StoreBusy, StoreFailed):
            raise
        except Exception as error:
            raise _Poison(waiting, None) from error
        if flush.one_by_one:
            self._append_or_blame(flush, _Poison(waiting, None))
        flush.outcomes.append((waiting.future, outcome))

    def _append_or_blame(self, flush: _Flush, poison: _Poison) -> None:
        """Write what one deadline or command has recorded; if that fails, it is the one."""
        try:
            self._append(flush)
            self._store.send()
        except (StoreBusy, StoreFailed):
            raise
        except Exception as error:
            raise poison from error

    def _answer(self, waiting: Waiting, flush: _Flush) -> Reply | Refusal:
        context = waiting.context
        if context.key_good_at is not None and context.key_good_at < self._access_at:
            self._check_key(context, flush)
        if context.scope is not None and not context.dry_run:
            kept = flush.repeated.get(context.scope) or flush.kept.get(context.scope)
            if kept is not None:
                return _replay(kept, context)
        if context.job_id is not None and context.job_id in self.set_aside:
            raise Unavailable("This job was set aside after an error; the operators have been told.")
        if context.if_match is not None and context.job_id is not None:
            self._check_version(context.job_id, context.if_match, flush)
        states = Detached(self) if context.dry_run else self
        work = self._work(context, flush, states, now=flush.now)
        answer = waiting.use_case(work)
        if context.dry_run:
            return _rehearsal(work, answer, flush.head.position + len(flush.events), self._etag_of(context.job_id))
        return self._accept(work, answer, flush)

    def _etag_of(self, job_id: UUID | None) -> str | None:
        """The version of a job as it stands."""
        return None if job_id is None else f'"{self.stream(JOB, job_id).version}"'

    def _work(self, context: Context, flush: _Flush, states: Any, *, now: Instant) -> Work:
        return Work(
            now=now,
            recorded_at=flush.now,
            states=states,
            context=context,
            next_position=flush.head.position + len(flush.events) + 1,
            books=_Books(self._store, flush.events),
            seals=self._seals,
            clock=flush.head.sandbox_now,
        )

    def _check_key(self, context: Context, flush: _Flush) -> None:
        """Raise NotAuthenticated if the caller's key was revoked since it was looked up: by now nothing can hide it."""
        key_id = context.actor.key_id
        assert key_id is not None
        revoked_just_now = (one.event.key_id for one in flush.events if isinstance(one.event, KeyRevoked))
        if key_id in revoked_just_now or not self._store.is_key_good(key_id):
            raise NotAuthenticated("This key was revoked; use another one.")

    def _check_version(self, job_id: UUID, version: int, flush: _Flush) -> None:
        current = self.stream(JOB, job_id).version
        if current != version:
            since = [*self._store.load(job_id, version, EVENTS_SHOWN), *(e for e in flush.events if e.stream == job_id)]
            lines = [_event_line(each) for each in since if each.version > version]
            raise VersionMismatch(version, current, lines[:EVENTS_SHOWN])

    def _accept(self, work: Work, answer: Answer, flush: _Flush) -> Reply | Refusal:
        flush.events += work.events
        if any(isinstance(one.event, AccessEvent) for one in work.events):
            self._access_at = flush.head.position + len(flush.events)
        if work.clock != flush.head.sandbox_now:
            flush.head.sandbox_now = work.clock
            flush.wrote = True
        if answer.refusal is not None:
            if work.ends_purchase is not None:
                flush.ended.append((work.ends_purchase, None))
            if work.context.scope is not None and isinstance(answer.refusal, InvalidRequest):
                position = flush.head.position + len(flush.events)
                flush.kept[work.context.scope] = _kept_refusal(work.context, answer.refusal, position)
            return answer.refusal
        reply = Reply(
            status=answer.status,
            body=_encode(answer.body),
            location=answer.location,
            etag=None if answer.version is None else f'"{answer.version}"',
            position=flush.head.position + len(flush.events),
            waits_for_purchase=work.waits_for_purchase,
        )
        context = work.context
        if work.ends_purchase is not None:
            flush.ended.append((work.ends_purchase, _kept(b"", b"", reply, answer)))
        if context.scope is not None and answer.is_kept:
            flush.kept[context.scope] = _kept(context.scope, context.fingerprint, reply, answer)
        return reply

    # -- States ------------------------------------------------------------------------------------------------

    def begin(self, stream_id: UUID) -> Stream:
        """An empty stream. Were it not, the log's index of streams and versions would refuse the batch."""
        stream = Stream(None, 0)
        self._cache.put(stream_id, stream)
        return stream

    def stream(self, decider: Decider[Any, Any, Any], stream_id: UUID) -> Stream:
        """A stream, of a snapshot or folded from the log where it is not at hand."""
        stream = self._cache.get(stream_id)
        if stream is None:
            stream = from_snapshot(self._store, decider, stream_id)
            if stream is None:
                events = self._store.load(stream_id)
                stream = Stream(decider.fold(e.event for e in events), events[-1].version if events else 0)
            self._cache.put(stream_id, stream)
        return stream


def _kept(scope: bytes, fingerprint: bytes, reply: Reply, answer: Answer) -> KeptAnswer:
    waits = reply.waits_for_purchase
    return KeptAnswer(
        scope=scope,
        fingerprint=fingerprint,
        status=0 if waits else reply.status,
        body=reply.body if answer.kept_body is None else _encode(answer.kept_body),
        location=reply.location,
        etag=reply.etag,
        position=reply.position,
        purchase_id=waits,
    )


def _kept_refusal(context: Context, refusal: InvalidRequest, position: int) -> KeptAnswer:
    """Of a command that was refused and counted: a repeat must not count again."""
    assert context.scope is not None
    body = _encode(refusal.problems)
    return KeptAnswer(context.scope, context.fingerprint, REFUSED, body, None, None, position)


def _replay(kept: KeptAnswer, context: Context) -> Reply:
    if kept.fingerprint != context.fingerprint:
        raise IdempotencyMismatch(
            "This idempotency key was used for another request, or before the master key was changed; "
            "see what was done then, and use a new key for what is still to be done."
        )
    if kept.status == 0:
        raise IdempotencyInProgress("The command with this idempotency key is still at work; ask again.")
    if kept.status == REFUSED:
        raise InvalidRequest(msgspec.json.decode(kept.body, type=list[FieldProblem]))
    return Reply(kept.status, kept.body, kept.location, kept.etag, kept.position, replayed=True)


def _event_line(recorded: Recorded[Any]) -> dict[str, Any]:
    return {
        "version": recorded.version,
        "type": NAMES[type(recorded.event)],
        "occurredAt": iso(recorded.occurred_at),
    }


def _is_shown(recorded: Recorded[Any], actor: Actor) -> bool:
    """Testers are told of their own work and wallet alone: what it costs to settle a job tells what others earned."""
    own = (recorded.stream, getattr(recorded.event, "tester_id", None))
    return actor.kind is not ActorKind.TESTER or actor.id in own


def _rehearsal(work: Work, answer: Answer, position: int, etag: str | None) -> Reply | Refusal:
    """What a dry run answers: the events, postings and answer that the command would have."""
    if answer.refusal is not None:
        return answer.refusal
    shown = [recorded for recorded in work.events if _is_shown(recorded, work.context.actor)]
    postings = [
        {
            "account": posting.account.name,
            "side": posting.side.value,
            "amountCents": posting.amount_cents,
            "entryType": entry.type.value,
        }
        for recorded in shown
        for entry in journal_entries(recorded)
        for posting in entry.postings
    ]
    events = [{"type": NAMES[type(recorded.event)], **event_view(recorded.event)} for recorded in shown]
    body = {"dryRun": True, "events": events, "postings": postings, "answer": answer.body}
    return Reply(200, _encode(body), None, etag, position)
