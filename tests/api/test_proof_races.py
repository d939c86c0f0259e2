"""A proof is compared before the command is decided; what became of the assignment meanwhile must not make it wrong."""

import asyncio

import pytest

from api.http.cursors import Cursors
from api.http.route import Call
from api.http.routes.testers import ROUTES
from api.http.schemas.common import CommandQuery
from api.http.schemas.tester import SubmitBody
from api.service.jobs import create_job
from api.service.proofs import Proofs
from api.service.reads import Principal
from api.service.refusals import Overloaded
from api.service.work import Context
from domain.errors import InvalidRequest, InvalidState
from domain.recorded import SYSTEM
from tests.api.test_committer import HOLD, JOB_ID, bought, started, taken
from tests.builders import ALICE, ANSWERS, OWNER, some_terms
from tests.local import Local, Where, query, run

SUBMIT = next(route for route in ROUTES if route.name == "submitTask")
ALICES = Principal(ALICE.id, "tester", "Alice", ALICE.public_id, ALICE.id, SYSTEM)


def submission(local: Local, proof: str) -> Call:
    body = SubmitBody.model_validate({"answers": ANSWERS, "proofValue": proof})
    ids = {"id": ALICE.slot, "job": JOB_ID}
    return Call(local.service, Cursors(lambda: b""), ALICES, ids, CommandQuery(), body, Context(SYSTEM))


async def a_slot(local: Local) -> None:
    """Alice's, in a job whose testers prove that they are done."""
    hashed = await local.service.proofs.hash("sesame")
    for use_case in (bought(HOLD), create_job(JOB_ID, OWNER, some_terms(5, proof_hash=hashed)), taken(ALICE)):
        await local.ask(use_case)


def wrong_proofs(where: Where) -> int:
    ((number,),) = query(where, "SELECT count(*) FROM stored_events WHERE topic = ?", "job.proof_rejected")
    return int(number)


def test_a_right_proof_is_right_though_the_task_was_started_only_meanwhile(
    where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with Local(where) as local:
            await a_slot(local)
            asked = local.service.proof_hash

            async def then_started(*of: object) -> str | None:
                hashed = await asked(JOB_ID, ALICE.slot)
                await local.ask(started(ALICE))
                return hashed

            monkeypatch.setattr(local.service, "proof_hash", then_started)
            assert (await SUBMIT.handle(submission(local, "sesame"))).status == 200

    run(story())
    assert wrong_proofs(where) == 0


def test_a_wrong_proof_is_counted_once_the_task_is_started(where: Where) -> None:
    async def story() -> None:
        async with Local(where) as local:
            await a_slot(local)
            with pytest.raises(InvalidState):
                await SUBMIT.handle(submission(local, "guess"))
            await local.ask(started(ALICE))
            with pytest.raises(InvalidRequest):
                await SUBMIT.handle(submission(local, "guess"))

    run(story())
    assert wrong_proofs(where) == 1


def test_so_many_passwords_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.service.proofs.MAX_WAITING", 2)

    async def story() -> None:
        proofs = Proofs()
        waiting = [asyncio.ensure_future(proofs.hash("sesame")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await proofs.hash("sesame")
        hashed, _ = await asyncio.gather(*waiting)
        assert await proofs.matches("sesame", hashed)

    run(story())
