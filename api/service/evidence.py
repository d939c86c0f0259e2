"""What is kept of the log beside the commands, which never wait for all of it: its index, checkpoints, refusals."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from api.evidence import tree
from api.evidence.notes import Checkpoint, SigningKey
from api.evidence.tiles import WrongTiles, subtrees
from api.service.busy import once_free
from api.service.ports import CheckpointStore, Digest, StoreBusy, StoreFailed
from api.service.refusal_log import RefusalLog
from api.service.refusals import EVENTS_MISSING, WRONG_HASHES, Unavailable
from domain.errors import invalid
from domain.times import DAY, HOUR, Instant
from projections.times import iso

log = logging.getLogger("tallyhold.evidence")

T = TypeVar("T")

STEP_PAUSE_SECONDS = 0.025
"""Between two steps of some hundred events the store is free for commands."""
CATCH_UP_PAUSE_SECONDS = 0.005
"""The same while somebody waits for it: about as long as a step takes."""
MOST_TIMES = 8
"""So much larger than usual a step may be when commands never pause."""
REST_SECONDS = 1.0
"""So often refusals and checkpoints have their time, however much of the log is left."""
REFUSALS_AT_ONCE = 250
MAX_BEHIND = 20_000
"""Events that may lie untouched while commands come in one after the other: they have the processor first."""
BUSY_LIMIT_SECONDS = 2.0
PUBLISH_SECONDS = 60.0
ALARM_SECONDS = 600.0
"""So often it is told that the tiles are wrong: they stay so until somebody acts, and are looked at each second."""
KEEP_REFUSALS = 30 * DAY
DAY_LETTERS = len("2026-06-30")


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That the event at ``position`` is one of the first ``size`` events under ``root``."""

    position: int
    size: int
    leaf: bytes
    root: bytes
    path: list[bytes]


@dataclass(frozen=True, slots=True)
class Consistency:
    """That the first ``first`` events under ``second_root`` are those under ``first_root``."""

    first: int
    second: int
    first_root: bytes
    second_root: bytes
    path: list[bytes]


class Evidence:
    """Works in small steps beside the commands: in a thread of its own where the store waits for a network.

    A store that waits for nothing is asked on the event loop: a thread beside it would hold up each step of the
    commands for as long as the interpreter takes to change threads.
    """

    def __init__(self, digest: Digest, key: SigningKey | None, files: CheckpointStore) -> None:
        self._digest = digest
        self._key = key
        self._files = files
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evidence")
        self.turn: AbstractAsyncContextManager[None] = nullcontext() if digest.waits else asyncio.Lock()
        """Held by who writes, where one writer shuts out the others: each then waits its turn, and none starves."""
        self._stepping = asyncio.Lock()
        self._keeping = asyncio.Lock()
        self.refusals = RefusalLog()
        self._seen = -1
        self._is_quiet = False
        self._forgotten_at: Instant = 0
        self._published = -1
        self._published_at = 0.0
        self._alarm_at = 0.0

    def close(self) -> None:
        """Finish what is being done."""
        self._thread.shutdown()

    async def keep_up(self, now: Instant) -> None:
        """What is to be done again and again: work the log through once commands pause, and publish in good time."""
        _, size, _ = await self._asked(self._digest.head)
        self._is_quiet, self._seen = size == self._seen, size
        await self._keep_the_rest(now)
        loop = asyncio.get_running_loop()
        kept_at = loop.time()
        while times := await self._asked(self._times_to_advance):
            if not await self._advance(times):
                break
            await asyncio.sleep(STEP_PAUSE_SECONDS)
            if loop.time() - kept_at > REST_SECONDS:
                await self._keep_the_rest(now)
                kept_at = loop.time()

    async def _keep_the_rest(self, now: Instant) -> None:
        await self._try_refusals(now)
        elapsed = asyncio.get_running_loop().time() - self._published_at
        if self._key is not None and (self._is_quiet or elapsed > PUBLISH_SECONDS):
            await self._try_to_publish(now)

    def _times_to_advance(self) -> int:
        """How large the next step should be, 0 for none: once commands pause, or as soon as too much lies untouched.

        A batch of commands can be larger than a usual step, and each waits for the other: the more is left, the larger
        are the steps, so that commands that never pause do not leave the index behind for ever.
        """
        _, size, _ = self._digest.head()
        behind = size - self._digest.position()
        if size == self._seen and self._is_quiet:
            return int(behind > 0)
        return min(behind // MAX_BEHIND, MOST_TIMES)

    async def _advance(self, times: int = 1) -> bool:
        """Take one step. False at the end of the log. Several callers take different steps, and none twice."""
        async with self._stepping:
            step = await self._asked(lambda: self._digest.next_step(times))
            if step is not None:
                await self._written(lambda: self._digest.keep(step))
            return step is not None

    async def finish(self, now: Instant) -> None:
        """Write what was gathered, and publish what was written last."""
        await self._try_refusals(now)
        if self._key is not None:
            await self.publish(now)

    async def _try_to_publish(self, now: Instant) -> None:
        """The index does not wait until checkpoints can be written."""
        try:
            await self.publish(now)
        except StoreFailed:
            log.warning("the newest checkpoint could not be kept; trying again", exc_info=True)

    async def _try_refusals(self, now: Instant) -> None:
        """Index and checkpoints do not wait until refusals can be written."""
        try:
            await self.keep_refusals(now)
        except (StoreBusy, StoreFailed):
            log.warning("refusals could not be written", exc_info=True)

    async def keep_refusals(self, now: Instant) -> None:
        """Write the refusals that were gathered, and forget those that are too old.

        Raises StoreBusy or StoreFailed; they are then written the next time. Those that the store refuses for what
        is in them are dropped and counted: it would never take them.
        """
        async with self._keeping:  # whoever lists them waits for those that somebody else is writing
            await self._keep_refusals(now)

    async def _keep_refusals(self, now: Instant) -> None:
        notes, dropped = self.refusals.taken()
        if not notes and not dropped and now - self._forgotten_at < HOUR:
            return
        self._forgotten_at = now
        try:
            while True:
                some = notes[:REFUSALS_AT_ONCE]
                await self._written(partial(self._digest.keep_refusals, some, dropped, now - KEEP_REFUSALS))
                notes, dropped = notes[REFUSALS_AT_ONCE:], 0
                if not notes:
                    return
        except (StoreBusy, StoreFailed, asyncio.CancelledError):
            self.refusals.put_back(notes, dropped)
            raise
        except Exception:
            log.exception("refusals were dropped that the store does not take")
            self.refusals.put_back(notes[REFUSALS_AT_ONCE:], dropped + len(notes[:REFUSALS_AT_ONCE]))

    async def catch_up(self) -> None:
        """Work through all that the log has now, a step at a time. Raises Unavailable if its end is not there."""
        _, size, _ = await self._asked(self._digest.head)
        while await self._asked(self._digest.position) < size:
            if not await self._advance() and await self._asked(self._digest.position) < size:
                raise Unavailable(EVENTS_MISSING)
            await asyncio.sleep(CATCH_UP_PAUSE_SECONDS)

    async def checkpoint(self) -> tuple[Checkpoint, str, str]:
        """The log's newest checkpoint, as a signed note, and the public key. Raises Unavailable without a key."""
        if self._key is None:
            raise Unavailable("Checkpoints are not signed here; set TALLYHOLD_CHECKPOINT_KEY to a key file.")
        checkpoint = Checkpoint(*await self._asked(self._digest.head))
        return checkpoint, self._key.signed(checkpoint), self._key.verifier.line

    async def proving(self) -> tuple[Checkpoint, str, str]:
        """A checkpoint whose tiles are there, as a signed note, and the public key. Raises Unavailable."""
        checkpoint, note, key = await self.checkpoint()
        await self.catch_up()
        root = await self._asked(lambda: self._sound_root(checkpoint.size, subtrees(self._digest.tile)))
        if root != checkpoint.root:
            raise Unavailable(WRONG_HASHES)
        return checkpoint, note, key

    async def publish(self, now: Instant) -> None:
        """Write the newest checkpoint to its file, if there is a newer one."""
        checkpoint, note, _ = await self.checkpoint()
        if checkpoint.size != self._published:
            await self._in_thread(lambda: self._files.write(iso(now)[:DAY_LETTERS], note))
            self._published = checkpoint.size
        self._published_at = asyncio.get_running_loop().time()

    async def inclusion(self, position: int, size: int | None) -> Inclusion:
        """Raises InvalidRequest for a position or size that the log does not have."""
        size = await self._known("?size", size)
        if not 1 <= position <= size:
            raise invalid("?position", f"must be from 1 to {size}: there are no other events in this tree")
        return await self._asked(lambda: self._inclusion(position, size))

    async def consistency(self, first: int, second: int | None) -> Consistency:
        """Raises InvalidRequest for a size that the log does not have."""
        second = await self._known("?to", second)
        if first > second:
            raise invalid("?from", f"must be at most {second}: an earlier tree cannot have more events")
        return await self._asked(lambda: self._consistency(first, second))

    async def _known(self, name: str, size: int | None) -> int:
        """The size that was asked for, or that of the log; its tiles are there."""
        await self.catch_up()
        whole = await self._asked(self._digest.position)
        if size is not None and size > whole:
            raise invalid(name, f"must be at most {whole}: the log has no more events")
        return whole if size is None else size

    def _inclusion(self, position: int, size: int) -> Inclusion:
        subtree = subtrees(self._digest.tile)
        leaf, path = subtree(0, position - 1), tree.inclusion(position - 1, size, subtree)
        return Inclusion(position, size, leaf, self._sound_root(size, subtree), path)

    def _consistency(self, first: int, second: int) -> Consistency:
        subtree = subtrees(self._digest.tile)
        path, root = tree.consistency(first, second, subtree), self._sound_root(second, subtree)
        return Consistency(first, second, tree.root_at(first, subtree), root, path)

    def _sound_root(self, size: int, subtree: tree.Subtree) -> bytes:
        """The root at a size. Raises WrongTiles if the tiles contradict the root that the commands have kept."""
        _, whole, root = self._digest.head()
        if whole <= self._digest.position() and tree.root_at(whole, subtrees(self._digest.tile)) != root:
            raise WrongTiles
        return tree.root_at(size, subtree)

    async def _asked(self, work: Callable[[], T]) -> T:
        """Ask the digest. Raises Unavailable where the tiles are not those of the log."""
        try:
            return await self._in_thread(work) if self._digest.waits else work()
        except WrongTiles:
            self._alarm()
            raise Unavailable(WRONG_HASHES) from None

    def _alarm(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._alarm_at:
            self._alarm_at = now + ALARM_SECONDS
            log.critical("the log or its tiles are not as they were written; run tallyhold verify")

    async def _written(self, work: Callable[[], None]) -> None:
        """Write in our turn, once nobody outside of this process does. Raises StoreBusy after some seconds."""
        async with self.turn:
            await once_free(lambda: self._asked(work), BUSY_LIMIT_SECONDS)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
