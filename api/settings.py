"""Settings: from the command line, else from TALLYHOLD_… variables. An unknown variable is an error, not ignored."""

import os
import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

PREFIX = "TALLYHOLD_"
SQLITE = "sqlite:///"
POSTGRES = ("postgresql://", "postgres://")
_ONE_AT = re.compile(r"\w+://[^@/?]*@?[^@?]*(\?.*)?")
"""Before the options, no @ but the one before the host: libpq would take a part of the password for a name to show."""


class WrongSettings(Exception):
    """Settings that cannot be used; the sentence names the first and says what it must be."""


class Settings(BaseModel):
    """All settings. ``db`` is a URL: sqlite:///relative, sqlite:////absolute, or postgresql://…"""

    db: str = "sqlite:///tallyhold.sqlite"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    sandbox: bool = False
    master_key_file: Path | None = None
    """Where the key lies that wraps the keys of persons; beside the database unless given."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    access_log: bool = True
    workers: int = Field(default=1, ge=1, le=64)
    """Processes that serve together."""
    checkpoint_key: Path | None = None
    """The file of the key that signs checkpoints. In the sandbox, unless given, FILE.checkpoint-key is made."""
    checkpoints: Path | None = None
    """The folder for checkpoints; FILE.checkpoints unless given."""
    rate_limit: int | None = Field(default=None, ge=0, le=1_000_000)
    """Requests a second and key; 0 for none. Unless given, 100 where time is real and none in the sandbox."""

    @property
    def requests_per_second(self) -> int:
        if self.rate_limit is not None:
            return self.rate_limit
        return 0 if self.sandbox else 100


def read_settings(**given: object) -> Settings:
    """Settings, those given first, then those of the environment. Raises WrongSettings."""
    known = {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}
    variables = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    if unknown := sorted(variables.keys() - known):
        raise WrongSettings(f"{unknown[0]} is not a setting. Known are {', '.join(sorted(known))}.")
    said: dict[str, object] = {known[name]: value for name, value in variables.items()}
    said |= {name: value for name, value in given.items() if value is not None}
    if empty := sorted(name for name, value in said.items() if value == ""):
        raise WrongSettings(f"The setting {empty[0]} is empty; give it a value, or leave it out.")
    try:
        return Settings.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise WrongSettings(f"The setting {'.'.join(map(str, first['loc']))} is wrong: {first['msg']}.") from None


def sqlite_path(url: str) -> Path | None:
    """The file that a database URL names; null where it names a PostgreSQL database. Raises WrongSettings."""
    if url.startswith(POSTGRES):
        _check_postgres(url)
        return None
    path = url.removeprefix(SQLITE)
    if path == url or not path or "?" in path or path.endswith("/"):
        raise WrongSettings(
            f"The database URL {without_password(url)!r} must be sqlite:///FILE, sqlite:////FILE for an absolute "
            "path, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE."
        )
    return Path(os.path.realpath(path))  # what goes with a file lies beside it, not beside a link to it


def _check_postgres(url: str) -> None:
    """Raises WrongSettings. What is wrong with it is not told in libpq's words: they may quote the password."""
    if not _ONE_AT.fullmatch(url) or not _can_be_read(url):
        raise WrongSettings(
            "The database URL cannot be read; it must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE, "
            "with %XX for special characters of user and password."
        )


def _can_be_read(url: str) -> bool:
    from psycopg import ProgrammingError  # noqa: PLC0415  (a large library, for these URLs alone)
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        conninfo_to_dict(url)
    except ProgrammingError:
        return False
    return True


def without_password(url: str) -> str:
    """A database URL that can be shown."""
    return re.sub(r"(password=)[^&]*", r"\1…", re.sub(r"(//[^/@:]*):.*@", r"\1:…@", url))
