"""The service as its edges see it: commands in, durable replies out, reads that show nothing overdue."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from typing import TypeAlias
from uuid import UUID

import msgspec

from api.service.committer import Committer, Reply
from api.service.credits import ASK_AGAIN_SECONDS, Purchases
from api.service.evidence import Evidence
from api.service.gathered import Gathered
from api.service.kept_views import KeptViews
from api.service.key_ring import KeyRing
from api.service.ports import Clock, Gateway, GatewayBook, Replays, Store, StoreBusy, StoreFailed, TakenOver
from api.service.proofs import Proofs
from api.service.reads import AuditReads, Reads
from api.service.recent_changes import RecentChanges
from api.service.reconciliations import Reconciliations
from api.service.refusals import IdempotencyInProgress, Overloaded, Unavailable
from api.service.seals import Seals
from api.service.tester import proof_hash_of
from api.service.work import Answer, Context, UseCase, Work
from domain.errors import Forbidden, Refusal
from domain.recorded import SYSTEM

log = logging.getLogger("tallyhold.service")

LONGEST_NAP_SECONDS = 1.0
OPEN_PURCHASES_AT_ONCE = 100
MAX_WATCHED = 10_000
EVIDENCE_SECONDS = 1.0
FOLLOW_SECONDS = 0.1
"""How late somebody who waits may hear of what another process did."""
MAX_LOOKED_UP = 1_000
"""Streams that are asked whose they are, after each commit that an owner waits for; after more of them all look."""


Watchers: TypeAlias = dict[UUID, set[asyncio.Event]]


class Watch:
    """Somebody who waits for something to happen to a job, or to anything of an owner."""

    def __init__(self, watchers: Watchers, watched: UUID, closing: asyncio.Event) -> None:
        self._watchers = watchers
        self._watched = watched
        self._closing = closing
        self._event = asyncio.Event()

    def __enter__(self) -> None:
        self._watchers.setdefault(self._watched, set()).add(self._event)

    def __exit__(self, *_: object) -> None:
        watching = self._watchers[self._watched]
        watching.discard(self._event)
        if not watching:
            del self._watchers[self._watched]

    async def changed(self, seconds: float) -> bool:
        """Whether something happened within so many real seconds. Raises Unavailable at shutdown."""
        if not self._closing.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._event.wait()
            except TimeoutError:
                return False
        if self._closing.is_set():
            raise Unavailable("The service is shutting down; ask again in some seconds.")
        return True


class Service:
    """One process's part of the platform."""

    def __init__(
        self,
        store: Store,
        reads: Reads,
        clock: Clock,
        gateway: Gateway | None,
        *,
        evidence: Evidence,
        audit: AuditReads,
        seals: Seals,
        replays: Replays,
        gateway_book: GatewayBook | None = None,
    ) -> None:
        self.reads = reads
        self.seals = seals
        self.committer = Committer(store, clock, seals, evidence.turn)
        self.evidence = evidence
        self.audit = audit
        self.gateway_book = gateway_book
        self.purchases = Purchases(self.committer, gateway)
        self.proofs = Proofs()
        self.reconciliations = Reconciliations(replays, self.committer.now, lambda: self.is_closing)
        self.changes = RecentChanges(reads)
        self.key_ring = KeyRing(reads, self.changes)
        self.kept_views = KeptViews(reads, self.changes)
        self._places = Gathered(reads.places_of)
        self.changes.on_access_change += [self.key_ring.clear, self.kept_views.clear, seals.forget_cached]
        self._waiting_for_jobs: Watchers = {}
        self._waiting_owners: Watchers = {}
        self._under_way: set[bytes] = set()
        self._closing = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.committer.on_taken_over.append(self.refuse_from_now)

    async def start(self) -> None:
        """Begin to serve; what fell due while nobody was there is written first."""
        self.committer.on_written.append(self.changes.learn)
        self.changes.on_change.append(self._tell_watchers)
        self.committer.start()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._schedule()), loop.create_task(self._ask_about_purchases())]
        self._tasks.append(loop.create_task(self._keep_evidence()))
        self._tasks.append(loop.create_task(self._follow()))

    def refuse_from_now(self) -> None:
        """Accept nothing more, and let those who wait for a job go."""
        self._closing.set()
        _wake(self._waiting_for_jobs)
        _wake(self._waiting_owners)

    @property
    def is_closing(self) -> bool:
        return self._closing.is_set()

    @property
    def is_ready(self) -> bool:
        return self.committer.is_ready and not self.is_closing

    async def close(self) -> None:
        """Finish what was accepted and stop."""
        self.refuse_from_now()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.committer.close()
        if self.committer.is_starting:
            return  # nothing was done, and the store cannot be asked
        try:
            await self.evidence.finish(self.committer.now())
        except Exception:  # whatever it was, all that was acknowledged is written
            log.exception("the last checkpoint could not be kept")

    def command(self, use_case: UseCase, context: Context) -> Awaitable[Reply]:
        """Decide a command and make it durable. Raises its refusal."""
        return self.committer.submit(use_case, context)

    @asynccontextmanager
    async def once(self, context: Context) -> AsyncIterator[Reply | None]:
        """For what takes long before its command is decided: a repeat gets its first answer, and null is for the first.

        Raises IdempotencyInProgress while the first is under way in this process, and IdempotencyMismatch.
        """
        scope = None if context.dry_run else context.scope
        if scope is None:
            yield None
            return
        first = await self.command(_look_up, context)
        if first.replayed:
            yield first
            return
        if scope in self._under_way:
            raise IdempotencyInProgress("The command with this idempotency key is still at work; ask again.")
        self._under_way.add(scope)
        try:
            yield None
        finally:
            self._under_way.remove(scope)

    async def catch_up(self) -> None:
        """Before anything is shown: write what is due by now."""
        if self.has_due():
            await self.committer.catch_up()

    async def prepare_to_seal(self, person_id: UUID, context: Context) -> None:
        """Make a person's sealing key where there is none, off the command's path; a dry run makes none.

        Raises Forbidden after erasure.
        """
        if self.seals.knows(person_id):
            return
        if context.dry_run:
            is_erased = await self.is_erased(person_id)
        else:
            is_erased = not await asyncio.to_thread(self.seals.make_key, person_id)
        if is_erased:
            raise Forbidden("Your data was erased at your request; nothing more can be recorded about you.")

    async def is_erased(self, person_id: UUID) -> bool:
        """Whether a person was forgotten. The store of keys is asked only about those who have none at hand."""
        return not self.seals.knows(person_id) and await asyncio.to_thread(self.seals.is_erased, person_id)

    def has_due(self) -> bool:
        """Whether a deadline has passed that no process has written yet."""
        self.changes.position()
        if self.changes.head is not None:
            self.committer.see(self.changes.head)
        return self.committer.has_due()

    async def proof_hash(self, job_id: UUID, assignment_id: UUID) -> str | None:
        """The hash that a tester's proof has to match, if one is waited for."""
        reply = await self.command(proof_hash_of(job_id, assignment_id), Context(SYSTEM))
        hashed: str | None = msgspec.json.decode(reply.body)["proofHash"]
        return hashed

    async def place_of_assignment(self, assignment_id: UUID) -> tuple[UUID, UUID] | None:
        """The job and the tester of an assignment; null if there is none."""
        return self.reads.known_place(assignment_id) or await self._places.get(assignment_id)

    def real_time(self) -> float:
        """Real seconds that only ever grow."""
        return asyncio.get_running_loop().time()

    def watch_job(self, job_id: UUID) -> Watch:
        """See what happens to a job from now on; to be used in a ``with``. Raises Overloaded."""
        return self._watch(self._waiting_for_jobs, job_id)

    def watch_owner(self, owner_id: UUID) -> Watch:
        """See what happens to an owner's jobs and credits from now on; to be used in a ``with``. Raises Overloaded."""
        return self._watch(self._waiting_owners, owner_id)

    def _watch(self, watchers: Watchers, watched: UUID) -> Watch:
        if len(watchers) >= MAX_WATCHED:
            raise Overloaded("Too many are waiting for something to happen; try again later.")
        return Watch(watchers, watched, self._closing)

    def _tell_watchers(self, streams: Iterable[UUID] | None) -> None:
        """Wake who waits for what was done; all of them where it was too much to look through."""
        if self._waiting_for_jobs:
            _wake(self._waiting_for_jobs, streams)
        if self._waiting_owners:
            _wake(self._waiting_owners, None if streams is None else self._with_owners({*streams}))

    def _with_owners(self, changed: set[UUID]) -> set[UUID] | None:
        """With whose jobs they are: an owner's credits have the owner's id. Null where that cannot be told now."""
        if len(changed) > MAX_LOOKED_UP:
            return None
        try:
            return changed | self.reads.owners_of(changed)
        except (StoreBusy, StoreFailed):
            return None  # the log was written all the same

    async def _follow(self) -> None:
        """While somebody waits, look what other processes have committed."""
        while True:
            try:
                if self._waiting_for_jobs or self._waiting_owners:
                    self.changes.position()
            except Exception as error:  # whatever it was, others wait
                log.warning("the end of the log could not be read; trying again: %r", error)
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _schedule(self) -> None:
        """Wake the committer when a deadline passes: only an idle platform needs it."""
        while True:
            nap = LONGEST_NAP_SECONDS
            try:
                await self.catch_up()
                due = self.committer.next_due
                if due is not None and not self.committer.is_sandbox:
                    nap = min(nap, max(0.0, (due - self.committer.now()) / 1_000))
            except TakenOver as error:
                self.committer.end_for(error)
            except Exception as error:  # whatever it was, it must be tried again
                log.warning("what is due could not be written; trying again: %r", error)
            await asyncio.sleep(nap)

    async def _keep_evidence(self) -> None:
        """Work the log through beside the commands, and write checkpoints to their files."""
        refused = ""
        while True:
            try:
                await self.catch_up()
                await self.evidence.keep_up(self.committer.now())
                refused = ""
            except Refusal as refusal:
                if refused != refusal.detail:  # it may stay so until somebody acts
                    log.warning("the log's evidence could not be kept; trying again: %s", refusal.detail)
                refused = refusal.detail
            except Exception:  # whatever it was, it must be tried again
                log.exception("the log's evidence could not be kept; trying again")
            await asyncio.sleep(EVIDENCE_SECONDS)

    async def _ask_about_purchases(self) -> None:
        while self.purchases.has_gateway:
            try:
                await self.catch_up()  # until the log was looked at, the platform has no time
                self._ask_about_all()
            except Exception:  # whatever it was, open purchases must be asked about again
                log.exception("open purchases could not be asked about; trying again")
            await asyncio.sleep(ASK_AGAIN_SECONDS)

    def _ask_about_all(self) -> None:
        after: int | None = 0
        while after is not None:
            purchases, after = self.reads.open_purchases(after, OPEN_PURCHASES_AT_ONCE)
            for owner_id, purchase_id, cents in purchases:
                self.purchases.ask_again(owner_id, purchase_id, cents)


def _look_up(_: Work) -> Answer:
    """Nothing: only a repeat is answered."""
    return Answer({}, is_kept=False)


def _wake(watchers: Watchers, changed: Iterable[UUID] | None = None) -> None:
    """Wake who watches any of these; everybody for null."""
    for watched in [*watchers] if changed is None else changed:
        for event in watchers.get(watched, ()):
            event.set()
