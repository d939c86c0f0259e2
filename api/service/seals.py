"""Personal text, sealed with AES-256-GCM under a key of the person it is about: destroying that key erases the text.

The log, the read models, exports and backups hold ciphertext only. Keys lie in a store of their own, each wrapped
(RFC 3394) by a master key that lies in neither; what a text belongs to is bound into it as associated data.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b, sha256
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from api.service.cache import GenerationCache
from api.service.ports import SealingKeys
from domain import sealed as places
from domain.errors import InvariantBroken
from domain.job import events as job
from domain.recorded import Recorded
from domain.sealed import SealedText

KEY_BYTES = 32
NONCE_BYTES = 12
FINGERPRINT_BYTES = 16
CACHED_KEYS = 10_000


class WrongMasterKey(Exception):
    """The master key does not open the keys of this database, or one of them; the sentence says whose."""


class MasterKey:
    """Wraps the keys of persons. ``name`` tells one master key from another, and nothing about it."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"A master key has {KEY_BYTES} bytes.")
        self._key = key
        self._fingerprints = blake2b(key=key, person=b"fingerprints").digest()
        self.name = sha256(b"tallyhold master key" + key).hexdigest()[:16]

    @classmethod
    def new(cls) -> "MasterKey":
        return cls(os.urandom(KEY_BYTES))

    def to_hex(self) -> str:
        """For the file in which it is kept."""
        return self._key.hex()

    def wrap(self, key: bytes) -> bytes:
        return aes_key_wrap(self._key, key)

    def fingerprint(self, said: bytes) -> bytes:
        """The same for what is the same; who has not the master key finds no guess confirmed by it."""
        return blake2b(said, digest_size=FINGERPRINT_BYTES, key=self._fingerprints).digest()

    def unwrap(self, person_id: UUID, wrapped: bytes) -> bytes:
        """Raises WrongMasterKey."""
        try:
            return aes_key_unwrap(self._key, wrapped)
        except InvalidUnwrap:
            raise WrongMasterKey(
                f"The master key {self.name} does not open the key of person {person_id}; run tallyhold verify."
            ) from None


class Seals:
    """Seals and opens texts. A key that was destroyed is never made again. ``chance`` gives so many random bytes."""

    def __init__(self, keys: SealingKeys, master: MasterKey, chance: Callable[[int], bytes] = os.urandom) -> None:
        self._keys = keys
        self._chance = chance
        self._master = master
        self._ciphers: GenerationCache[UUID, AESGCM] = GenerationCache(CACHED_KEYS)

    def knows(self, person_id: UUID) -> bool:
        """Whether a person's key is at hand."""
        return self._ciphers.get(person_id) is not None

    def make_key(self, person_id: UUID) -> bool:
        """Make sure that a person has a key, durably; it may take milliseconds. False if it was destroyed."""
        if self._cipher(person_id) is None:
            self._keys.add(person_id, self._master.wrap(self._chance(KEY_BYTES)), self._master.name)
        return self._cipher(person_id) is not None

    def is_erased(self, person_id: UUID) -> bool:
        """Whether a person's key was destroyed. Unlike ``make_key`` it changes nothing."""
        return not self.knows(person_id) and self._keys.is_destroyed(person_id)

    def seal(self, person_id: UUID, place: str, text: str) -> SealedText | None:
        """The text under the person's key, which is made if there is none yet; null if it was destroyed."""
        cipher = self._cipher(person_id)
        if cipher is None:
            self.make_key(person_id)
            cipher = self._cipher(person_id)
        if cipher is None:
            return None
        nonce = self._chance(NONCE_BYTES)
        return SealedText(urlsafe_b64encode(nonce + cipher.encrypt(nonce, text.encode(), place.encode())).decode())

    def open(self, person_id: UUID, place: str, text: SealedText) -> str | None:
        """The text; null once the person's key was destroyed. Raises InvariantBroken for one that was tampered with."""
        cipher = self._cipher(person_id)
        if cipher is None:
            return None
        try:
            raw = urlsafe_b64decode(text)
            return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], place.encode()).decode()
        except (InvalidTag, ValueError):
            raise InvariantBroken(f"The sealed text of {place} was changed, or belongs to another place.") from None

    def fingerprint(self, said: bytes) -> bytes:
        """What tells one text from another; see MasterKey."""
        return self._master.fingerprint(said)

    def rewrap(self, master: MasterKey) -> int:
        """Wrap every key with another master key, all or none; how many there are."""
        count = self._keys.rewrap(lambda *kept: master.wrap(self._master.unwrap(*kept)), master.name)
        self._master = master
        return count

    def destroy(self, person_id: UUID) -> None:
        """Destroy a person's key for ever: all that was sealed under it is gone."""
        self._keys.destroy(person_id)
        self._ciphers.drop(person_id)

    def forget_cached(self) -> None:
        """Ask the store of keys again: some may have been destroyed by another process."""
        self._ciphers.clear()

    def _cipher(self, person_id: UUID) -> AESGCM | None:
        cipher = self._ciphers.get(person_id)
        if cipher is None:
            wrapped = self._keys.wrapped(person_id)
            if wrapped is None:
                return None
            cipher = AESGCM(self._master.unwrap(person_id, wrapped))
            self._ciphers.put(person_id, cipher)
        return cipher

    def opened(self, recorded: Recorded[Any]) -> Recorded[Any]:
        """An event with its sealed texts open, to be shown; those that were erased are null."""
        event = recorded.event
        match event:
            case job.TaskCompleted():
                answers = self._shown(event.tester_id, places.answers_place(event.assignment_id), event.answers)
                return recorded._replace(event=replace(event, answers=answers))
            case job.Disputed():
                return recorded._replace(event=self._opened_dispute(recorded.stream, event))
            case job.StatementGiven():
                place = places.statement_place(event.assignment_id, event.number)
                text = self._shown(event.tester_id, place, event.text)
                return recorded._replace(event=replace(event, text=text))
            case job.Resolved():
                verdicts = tuple(replace(verdict, note=self._note(verdict)) for verdict in event.verdicts)
                return recorded._replace(event=replace(event, verdicts=verdicts))
            case _:
                return recorded

    def _opened_dispute(self, job_id: UUID, event: job.Disputed) -> job.Disputed:
        owner, bill = event.owner_id, places.billing_discrepancy_place(job_id)
        return replace(
            event,
            platform_issue_description=self._shown(
                owner, places.platform_issue_place(job_id), event.platform_issue_description
            ),
            billing_discrepancy_description=self._shown(owner, bill, event.billing_discrepancy_description),
            claims=tuple(replace(claim, description=self._claim(claim)) for claim in event.claims),
        )

    def _claim(self, claim: job.Claim) -> Any:
        return self._shown(claim.tester_id, places.claim_place(claim.assignment_id), claim.description)

    def _note(self, verdict: job.Verdict) -> Any:
        return self._shown(verdict.tester_id, places.note_place(verdict.assignment_id), verdict.note)

    def _shown(self, person_id: UUID, place: str, text: SealedText | None) -> Any:
        return None if text is None else self.open(person_id, place, text)
