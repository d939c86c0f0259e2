"""What people ask of the platform, in words that the model and every driver understand.

People and jobs go by name. A tester gets a job once, so that tester and job together name an assignment.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Pay:
    """One rule: ``cents`` once, or ``cents`` a minute up to ``cap`` minutes."""

    cents: int
    per_minute: bool = False
    cap: int | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One variant: how many testers at least and at most; one for nobody has a filter that nobody matches."""

    least: int
    most: int | None = None
    for_nobody: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """A job as posted. Times in minutes, ``starts_in`` in milliseconds from now."""

    slots: int
    pay: tuple[Pay, ...]
    versions: tuple[Version, ...]
    window: int = 60
    hard_limit: int = 30
    paid_limit: int | None = None
    starts_in: int | None = None
    agreement: bool = False
    proof: bool = False


@dataclass(frozen=True, slots=True)
class Buy:
    owner: str
    cents: int


@dataclass(frozen=True, slots=True)
class Create:
    owner: str
    job: str
    terms: Terms


JobVerb: TypeAlias = Literal["pause", "resume", "stop", "cancel", "settle", "approve"]


@dataclass(frozen=True, slots=True)
class AskJob:
    verb: JobVerb
    job: str


@dataclass(frozen=True, slots=True)
class Resize:
    job: str
    slots: int


@dataclass(frozen=True, slots=True)
class Take:
    tester: str
    job: str
    accepts: bool = True


@dataclass(frozen=True, slots=True)
class Start:
    tester: str
    job: str


@dataclass(frozen=True, slots=True)
class Return:
    tester: str
    job: str


@dataclass(frozen=True, slots=True)
class Submit:
    """``rating`` is the one answer, null when left out; ``proof`` whether the password is right, null when none."""

    tester: str
    job: str
    rating: int | None = 4
    proof: bool | None = None


@dataclass(frozen=True, slots=True)
class Dispute:
    """Some testers, or the whole; ``platform`` adds the flag that always means the whole."""

    job: str
    testers: tuple[str, ...] = ()
    platform: bool = False
    by_number: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """The tester's side of a dispute."""

    tester: str
    job: str


@dataclass(frozen=True, slots=True)
class Verdict:
    tester: str
    payout: int
    fee: int | None = None


@dataclass(frozen=True, slots=True)
class Resolve:
    job: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Withdraw:
    tester: str
    cents: int


Command: TypeAlias = (
    Buy | Create | AskJob | Resize | Take | Start | Return | Submit | Dispute | State | Resolve | Withdraw
)
