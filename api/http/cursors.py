"""Cursors of lists: opaque, signed, and good only for the list that gave them."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable
from hashlib import blake2b
from hmac import compare_digest

from domain.errors import invalid

_KEY_BYTES = 8
_MAC_BYTES = 10


class Cursors:
    """Signs the key of a page's last item together with what the list was asked for.

    The secret is asked for only where there is a cursor.
    """

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._secret = secret

    def write(self, of: str, last: int | None) -> str | None:
        """The cursor behind a key, for the list called ``of``; null at its end."""
        return None if last is None else self._written(of, last)

    def read(self, of: str, cursor: str | None) -> int | None:
        """The key in a cursor. Raises InvalidRequest for one that this list did not give."""
        if cursor is None:
            return None
        last = int.from_bytes(_decoded(cursor)[:_KEY_BYTES])
        # Written anew and compared as text: what merely decodes to the same bytes was never given.
        if not compare_digest(self._written(of, last).encode(), cursor.encode()):
            raise invalid("?cursor", "is not a cursor of this list; take the one from its last page, or leave it out")
        return last

    def _written(self, of: str, last: int) -> str:
        key = last.to_bytes(_KEY_BYTES)
        mac = blake2b(key + of.encode(), key=self._secret(), digest_size=_MAC_BYTES).digest()
        return urlsafe_b64encode(key + mac).decode().rstrip("=")


def _decoded(cursor: str) -> bytes:
    try:
        return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (Error, ValueError):
        return b""
