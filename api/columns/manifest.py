"""What partitions there are: one small file beside them, written last. Files that it does not name do not count."""

from collections.abc import Mapping
from typing import Any

import fsspec
import msgspec
from fsspec.implementations.local import LocalFileSystem

from api.columns.schema import FORM
from api.columns.wrong import WrongPartitions

NAME = "manifest.json"
MAX_BUCKETS = 4_096
MAX_FILES = 200_000


class PartitionFile(msgspec.Struct, frozen=True):
    """The events of one bucket at positions from ``first`` to ``last``: ``rows`` of them, in a file of the folder."""

    path: str
    bucket: int
    first: int
    last: int
    rows: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """Partitions of the log of this name, up to a position.

    ``leaf`` is the hash of the last event in the log's hash tree: a log that has another one there is another log.
    """

    form: int
    log: str
    buckets: int
    position: int
    leaf: str
    files: tuple[PartitionFile, ...]


class Folder:
    """Where partitions lie: a directory, or any URL that fsspec knows. Raises WrongPartitions."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/") or "/"
        try:
            self.files, self._root = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise WrongPartitions(f"{url} cannot be used: {error}.") from error

    @property
    def is_local(self) -> bool:
        return isinstance(self.files, LocalFileSystem)

    def for_duckdb(self, name: str) -> str:
        """A file's name where this file system is registered; the path itself where it needs not be."""
        return self.path(name) if self.is_local else str(self.files.unstrip_protocol(self.path(name)))

    @property
    def from_anywhere(self) -> str:
        """Its URL for processes that have another working directory."""
        return self.url if "://" in self.url else self._root

    def path(self, name: str) -> str:
        """A file's path in its file system."""
        return f"{self._root.rstrip('/')}/{name}"

    def read(self, name: str) -> bytes:
        """All of a file. Raises FileNotFoundError, and WrongPartitions for other failures."""
        try:
            whole: bytes = self.files.cat_file(self.path(name))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self.unreadable(name, error) from error
        return whole

    def unreadable(self, name: str, error: OSError) -> WrongPartitions:
        return WrongPartitions(f"{self.url}/{name} cannot be read: {error.strerror or error}.")

    def write(self, name: str, content: bytes) -> None:
        """Put a file in the place of whatever was there. Raises OSError."""
        made = f"{name}.new"
        self.files.pipe_file(self.path(made), content)
        self.files.mv(self.path(made), self.path(name))


def read_manifest(folder: Folder) -> Manifest:
    """What partitions lie in a folder. Raises WrongPartitions."""
    manifest = manifest_if_any(folder)
    if manifest is None:
        raise WrongPartitions(f"There are no partitions at {folder.url}: no {NAME}; call tallyhold export partitions.")
    return manifest


def manifest_if_any(folder: Folder) -> Manifest | None:
    """Null where nothing was exported yet. Raises WrongPartitions."""
    name = f"{folder.url}/{NAME}"
    try:
        told = msgspec.json.decode(folder.read(NAME))
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise WrongPartitions(f"{name} is no manifest: {error}.") from error
    if not isinstance(told, dict) or told.get("form") != FORM:
        form = told.get("form") if isinstance(told, Mapping) else None
        raise WrongPartitions(f"{name} is of form {form}; this program reads form {FORM}: export into a new folder.")
    return _checked(name, told)


def _checked(name: str, told: dict[str, Any]) -> Manifest:
    try:
        manifest = msgspec.convert(told, Manifest)
    except msgspec.ValidationError as error:
        raise WrongPartitions(f"{name} is no manifest: {error}.") from error
    if not 1 <= manifest.buckets <= MAX_BUCKETS or len(manifest.files) > MAX_FILES:
        raise WrongPartitions(f"{name} tells of too much: {manifest.buckets} buckets, {len(manifest.files)} files.")
    rows = sum(file.rows for file in manifest.files)
    if rows != manifest.position:
        raise WrongPartitions(
            f"{name} names files of {rows:,} events, of a log of {manifest.position:,}: export into a new folder."
        )
    return manifest


def write_manifest(folder: Folder, manifest: Manifest) -> None:
    """From now on these partitions count. Raises OSError."""
    folder.write(NAME, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
