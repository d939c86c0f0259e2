"""Owners with credits and jobs, made through the platform's own HTTP interface."""

from dataclasses import dataclass, field

import msgspec

from api.http.routes.jobs import CONTRACT_EXAMPLE
from tests.bench.client import Address, Client
from tests.bench.load import Target
from tests.bench.settings import Settings

JOB = msgspec.json.encode(CONTRACT_EXAMPLE)
"""The contract's example, as the body of every POST /jobs."""
PURCHASE_CENTS = 100_000_000
PURCHASES = 3
"""Enough for 150,000 jobs of each owner."""


@dataclass(slots=True)
class Owner:
    key: str
    job_ids: list[str] = field(default_factory=list)


def sign_up(address: Address, operator_key: str, count: int) -> list[Owner]:
    """So many owners, each with plenty of credits."""
    owners = []
    with Client(address, operator_key) as operator:
        for number in range(count):
            principal = operator.post("/operator/principals", {"role": "owner", "name": f"Owner {number}"})
            made = operator.post("/operator/keys", {"principalId": principal["principalId"]})
            owners.append(Owner(made["key"]))
    for owner in owners:
        with Client(address, owner.key) as client:
            for _ in range(PURCHASES):
                client.post("/owner/billing/add-credits", {"amountCents": PURCHASE_CENTS})
    return owners


def post_jobs(address: Address, owners: list[Owner], count: int) -> bytes:
    """So many jobs for each owner; the bytes of the last answer."""
    answer = b""
    for owner in owners:
        with Client(address, owner.key) as client:
            for _ in range(count):
                answer = client.ask("POST", "/jobs", JOB)
                owner.job_ids.append(msgspec.json.decode(answer)["id"])
    return answer


def everyones(owners: list[Owner], path: str) -> list[Target]:
    """The same path for each owner by turns."""
    return [Target(path, owner.key) for owner in owners]


def every_job(owners: list[Owner], settings: Settings) -> list[Target]:
    """The detail of each job, owner by owner in turn."""
    numbers = range(settings.jobs_each)
    return [Target(f"/jobs/{owner.job_ids[number]}", owner.key) for number in numbers for owner in owners]
