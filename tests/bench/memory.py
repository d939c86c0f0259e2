"""How much memory a server holds as its log grows: jobs are posted and read in spells, and looked at after each."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from tests.bench import servers
from tests.bench.client import Address, Client
from tests.bench.load import Load
from tests.bench.owners import JOB, every_job, everyones, post_jobs, sign_up
from tests.bench.rounds import Say
from tests.bench.settings import BenchFailed, Settings

SPELLS = 24
GOAL = 1.1
"""At the end over two thirds of the way: what is bounded has stopped growing by then."""
KIB_A_MIB = 1_024
_ANONYMOUS = re.compile(r"^RssAnon:\s+(\d+) kB$", re.MULTILINE)
"""Its own memory, without pages of files that the system may take back."""


def run(settings: Settings, say: Say) -> dict[str, Any]:
    """POST /jobs, then GET /jobs/{id} and GET /jobs, again and again."""
    with TemporaryDirectory(dir=settings.folder) as name, settings.store.new(Path(name)) as db:
        folder = Path(name)
        with servers.tallyhold(folder, db) as (ours, operator_key):
            owners = sign_up(ours, operator_key, settings.owners)
            post_jobs(ours, owners, settings.jobs_each)
            loads = (
                (Load(folder, everyones(owners, "/jobs"), JOB), settings.seconds),
                (Load(folder, every_job(owners, settings)), 1),
                (Load(folder, everyones(owners, "/jobs")), 1),
            )
            megabytes, events = [], []
            for number in range(SPELLS):
                for load, seconds in loads:
                    load.run(ours, settings.waiting, seconds)
                megabytes.append(_megabytes(ours))
                events.append(_events(ours, operator_key))
                say(f"spell {number + 1}/{SPELLS}: {events[-1]:,} events, {megabytes[-1]:,.0f} MiB")
    ratio = megabytes[-1] / megabytes[2 * SPELLS // 3 - 1]
    return {
        "title": "memory of a server whose log grows: the end over two thirds of the way",
        "unit": "MiB",
        "tallyhold": {"median": megabytes[-1], "samples": megabytes},
        "events": events,
        "ratio": round(ratio, 3),
        "ratios": [round(ratio, 3)],
        "goal": GOAL,
        "met": ratio <= GOAL,
    }


def _megabytes(address: Address) -> float:
    found = _ANONYMOUS.search(Path(f"/proc/{address.pid}/status").read_text())
    if found is None:
        raise BenchFailed("The system does not tell how much memory a process has.")
    return round(int(found[1]) / KIB_A_MIB, 1)


def _events(address: Address, operator_key: str) -> int:
    with Client(address, operator_key) as client:
        size: int = msgspec.json.decode(client.ask("GET", "/audit/checkpoint"))["size"]
    return size
