"""Whose key it is: looked up once, and again after anything happened to any principal or key, in any process."""

import asyncio

from api.service.cache import GenerationCache
from api.service.keys import is_well_formed, key_hash
from api.service.reads import Principal, Reads

CACHED_KEYS = 10_000


class KeyRing:
    """Principals by the header that names their key. A revoked key is worthless at once: see ``principal``."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self.position = -1
        """The end of the log when a key was last looked at."""
        self._is_current = False
        self._principals: GenerationCache[bytes, Principal] = GenerationCache(CACHED_KEYS)

    def principal(self, authorization: bytes) -> Principal | None:
        """Whose ``Bearer`` key it is, as of the newest event of the log; null if nobody's.

        The log is asked once in a turn of the event loop: all requests that are looked at in one turn came in before
        it began, so none of them can have been sent after a change that its turn did not see.
        """
        if not self._is_current:
            self._look_for_changes()
            self._is_current = True
            asyncio.get_running_loop().call_soon(self._turn_ends)
        return self._principals.get(authorization) or self._look_up(authorization)

    def _turn_ends(self) -> None:
        self._is_current = False

    def _look_for_changes(self) -> None:
        position = self._reads.position()
        if position != self.position:
            if self._reads.has_access_events(self.position, position):
                self._principals.clear()
            self.position = position

    def _look_up(self, authorization: bytes) -> Principal | None:
        scheme, _, key = authorization.decode("latin-1").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not is_well_formed(key):
            return None
        principal = self._reads.principal(key_hash(key))
        if principal is not None:
            self._principals.age()
            self._principals.put(authorization, principal)
        return principal
