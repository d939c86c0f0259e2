"""Passwords of proof: argon2 in threads, a few at a time, so that nobody can fill the machine's memory."""

import asyncio
from collections.abc import Callable
from hashlib import blake2b
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type, hash_secret_raw

from api.service.refusals import Overloaded

T = TypeVar("T")

AT_ONCE = 2
MAX_WAITING = 64
_HASHER = PasswordHasher()


class Proofs:
    """Hashes and checks passwords. Raises Overloaded when too many are waiting."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """A salted hash, to be kept."""
        return await self._run(lambda: _HASHER.hash(password))

    async def matches(self, password: str, hashed: str) -> bool:
        """Whether a password is the one that was hashed."""
        return await self._run(lambda: _matches(password, hashed))

    async def fingerprint(self, password: str, salt: bytes) -> str:
        """Always the same for a password and salt, and as slow to guess as the hash."""
        digest = blake2b(salt, digest_size=16).digest()
        return await self._run(
            lambda: hash_secret_raw(
                password.encode(), digest, time_cost=3, memory_cost=65_536, parallelism=4, hash_len=32, type=Type.ID
            ).hex()
        )

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise Overloaded("Too many passwords are being checked; try again in a second.")
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def _matches(password: str, hashed: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
