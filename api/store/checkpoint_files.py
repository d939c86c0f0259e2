"""Checkpoints and their key in files beside the database, so that who can write to the one need not reach the other."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from api.evidence.notes import MAX_NOTE_BYTES, SigningKey, VerifierKey, WrongEvidence, new_signing_key
from api.service.ports import StoreFailed

SUFFIX = ".checkpoint"
PUBLIC_SUFFIX = ".pub"


class CheckpointFiles:
    """A folder with the last checkpoint of each day, `2026-06-30.checkpoint`: one small file a day."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, day: str, note: str) -> None:
        """Put a day's newest checkpoint in its place, whole or not at all. Raises StoreFailed."""
        target = self._folder / f"{day}{SUFFIX}"
        try:
            self._folder.mkdir(exist_ok=True)
            _write(target, note)
        except OSError as error:
            raise StoreFailed(f"The checkpoint {target} cannot be written: {error.strerror}.") from error

    def paths(self) -> Sequence[Path]:
        """All of them, the oldest first."""
        return sorted(self._folder.glob(f"*{SUFFIX}"))


def _write(target: Path, note: str) -> None:
    draft = target.with_suffix(f".{os.getpid()}.draft")
    with draft.open("w", encoding="utf-8") as file:
        file.write(note)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)


def read_note(path: Path) -> str:
    """A small text file. Raises WrongEvidence when there is none."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_NOTE_BYTES).decode()
    except OSError as error:
        raise WrongEvidence(f"The file cannot be read: {error.strerror}.") from None
    except ValueError:
        raise WrongEvidence("The file is no text.") from None


def read_signing_key(path: Path) -> SigningKey:
    """Raises WrongEvidence naming the file."""
    try:
        return SigningKey(read_note(path))
    except WrongEvidence as error:
        raise WrongEvidence(f"{path}: {error}") from None


def read_verifier_key(path: Path) -> VerifierKey:
    """The public key in a file, or that of the signing key in it. Raises WrongEvidence naming the file."""
    try:
        line = read_note(path)
        return SigningKey(line).verifier if line.startswith("PRIVATE") else VerifierKey(line)
    except WrongEvidence as error:
        raise WrongEvidence(f"{path}: {error}") from None


def make_key(path: Path, name: str) -> SigningKey:
    """A new signing key in a file that only its owner can read, and its public half beside it.

    Raises WrongEvidence where there is such a file already, or none can be made.
    """
    key = new_signing_key(name)
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - made with its mode
            file.write(key.line + "\n")
        path.with_name(path.name + PUBLIC_SUFFIX).write_text(key.verifier.line + "\n", encoding="utf-8")
    except OSError as error:
        raise WrongEvidence(f"No key can be made in {path}: {error.strerror}.") from None
    return key


def key_for_sandbox(path: Path, name: str) -> SigningKey:
    """The key in a file, made where there is none."""
    with suppress(WrongEvidence):
        return make_key(path, name)
    return read_signing_key(path)
