"""Checkpoints as signed notes: C2SP tlog-checkpoint and signed-note with Ed25519, keys in the forms of Go's tools.

A checkpoint says which root the log has at a size; whoever keeps one can hold the log to it for ever.
"""

import binascii
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from api.evidence.tree import HASH_BYTES

ED25519 = b"\x01"
_SECRET = "PRIVATE+KEY+"
_SIGNATURE = "\N{EM DASH} "
_KEY_ID_BYTES = 4
_SIZE = re.compile("0|[1-9][0-9]{0,17}")
MAX_NOTE_BYTES = 10_000


class WrongEvidence(Exception):
    """A key, checkpoint or proof that is not what it should be; the sentence says in which way."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The root of the first ``size`` events of the log that ``origin`` names."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


class VerifierKey:
    """A public key: `NAME+ID+KEY` on one line. Raises WrongEvidence for anything else."""

    def __init__(self, line: str) -> None:
        self.line = line.strip()
        self.name, self.id, raw = _parts(self.line, "a verifier key")
        self._key = Ed25519PublicKey.from_public_bytes(raw)
        if self.id != _key_id(self.name, raw):
            raise WrongEvidence("This is not a verifier key: its id is not that of its name and key.")

    def opened(self, note: str) -> Checkpoint:
        """The checkpoint in a note that this key has signed. Raises WrongEvidence."""
        text, gap, signatures = note.partition("\n\n")
        signed = text + "\n"
        for line in signatures.splitlines() if gap else ():
            name, _, encoded = line.removeprefix(_SIGNATURE).partition(" ")
            blob = _decoded(encoded)
            if line.startswith(_SIGNATURE) and name == self.name and blob[:_KEY_ID_BYTES] == self.id:
                try:
                    self._key.verify(blob[_KEY_ID_BYTES:], signed.encode())
                except InvalidSignature:
                    raise WrongEvidence(f"The signature of {self.name} does not fit this checkpoint.") from None
                return _checkpoint(text)
        raise WrongEvidence(f"This is no checkpoint that {self.name} has signed.")


class SigningKey:
    """A secret key: `PRIVATE+KEY+NAME+ID+SEED` on one line. Raises WrongEvidence for anything else."""

    def __init__(self, line: str) -> None:
        self.line = line.strip()
        name, key_id, seed = _parts(self.line.removeprefix(_SECRET), "a signing key")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        raw = self._key.public_key().public_bytes_raw()
        if not self.line.startswith(_SECRET) or key_id != _key_id(name, raw):
            raise WrongEvidence("This is not a signing key: it must be PRIVATE+KEY+NAME+ID+SEED.")
        self._name, self._id = name, key_id
        self.verifier = VerifierKey(_line(name, raw, raw))

    def signed(self, checkpoint: Checkpoint) -> str:
        """The checkpoint as a note with our signature."""
        text = checkpoint.text()
        signature = b64encode(self._id + self._key.sign(text.encode())).decode()
        return f"{text}\n{_SIGNATURE}{self._name} {signature}\n"


def new_signing_key(name: str) -> SigningKey:
    """A new key; the name goes into every signature. Raises WrongEvidence for a name that a note cannot carry."""
    if not name or "+" in name or not name.isprintable() or any(letter.isspace() for letter in name):
        raise WrongEvidence("A key's name must be printable, without spaces and plus signs.")
    key = Ed25519PrivateKey.generate()
    return SigningKey(_SECRET + _line(name, key.public_key().public_bytes_raw(), key.private_bytes_raw()))


def _line(name: str, public: bytes, key: bytes) -> str:
    return f"{name}+{_key_id(name, public).hex()}+{b64encode(ED25519 + key).decode()}"


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:_KEY_ID_BYTES]


def _parts(line: str, what: str) -> tuple[str, bytes, bytes]:
    """Name, id and key of either form."""
    name, _, rest = line.partition("+")
    key_id, _, encoded = rest.partition("+")
    key = _decoded(encoded)
    if len(key) != 1 + 32 or key[:1] != ED25519 or len(key_id) != 2 * _KEY_ID_BYTES or not name:
        raise WrongEvidence(f"This is not {what}: one line with a name, an id and an Ed25519 key, plus signs between.")
    try:
        return name, bytes.fromhex(key_id), key[1:]
    except ValueError:
        raise WrongEvidence(f"This is not {what}: its id must be eight hexadecimal digits.") from None


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _checkpoint(text: str) -> Checkpoint:
    origin, size, encoded, *_ = [*text.split("\n"), "", "", ""]
    root = _decoded(encoded)
    if not origin or not _SIZE.fullmatch(size) or len(root) != HASH_BYTES:
        raise WrongEvidence("This is no checkpoint: it must have an origin, a size and a root hash, a line each.")
    return Checkpoint(origin, int(size), root)
