"""Whose key it is: looked up once, and again after anything happened to any principal or key, in any process."""

from api.service.cache import GenerationCache
from api.service.keys import LENGTH, is_well_formed, key_hash
from api.service.reads import Principal, Reads
from api.service.recent_changes import RecentChanges

CACHED_KEYS = 10_000
_PLAIN = len("Bearer ") + LENGTH
"""A header is no longer without needless blanks. With them it may have any length: such a one is never kept."""


class KeyRing:
    """Principals by the header that names their key. A revoked key is worthless at once."""

    def __init__(self, reads: Reads, changes: RecentChanges) -> None:
        self._reads = reads
        self._changes = changes
        self._principals: GenerationCache[bytes, Principal] = GenerationCache(CACHED_KEYS)

    def principal(self, authorization: bytes) -> Principal | None:
        """Whose ``Bearer`` key it is, as of the newest event of the log; null if nobody's."""
        self._changes.position()  # clears this, where a key was revoked
        return self.remembered(authorization)

    def remembered(self, authorization: bytes) -> Principal | None:
        """Whose key it was not long ago, at ``as_of`` or since; the log is not asked what has happened after that."""
        return self._principals.get(authorization) or self._look_up(authorization)

    @property
    def as_of(self) -> int:
        """The position of the log that all remembered keys have outlived."""
        return self._changes.reached

    def clear(self) -> None:
        """Look everybody up again: some key may have been revoked."""
        self._principals.clear()

    def _look_up(self, authorization: bytes) -> Principal | None:
        scheme, _, key = authorization.decode("latin-1").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not is_well_formed(key):
            return None
        principal = self._reads.principal(key_hash(key))
        if principal is not None and len(authorization) <= _PLAIN:
            self._principals.put(authorization, principal)
        return principal
