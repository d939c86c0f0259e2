"""Many at once: for the last cents, for the last slots, on one version."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tests.api.server import SLOT_CENTS, Client, Platform, Response, a_job, done, refused

AT_ONCE = 24


def all_at_once(asks: Sequence[Callable[[], Response]]) -> list[Response]:
    """The answers to requests that set out together, each on a connection of its own."""
    barrier = Barrier(len(asks))

    def ask(one: Callable[[], Response]) -> Response:
        barrier.wait()
        return one()

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(ask, asks))


def statuses(answers: Sequence[Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def test_the_last_cents_are_spent_exactly_once(platform: Platform) -> None:
    """Of creates that race for a balance, as many succeed as it has room for, and the others are told why not."""
    holds, odd_cents = 7, 5
    owner = platform.owner(holds * 2 * SLOT_CENTS + odd_cents)
    answers = all_at_once([lambda: owner.post("/jobs", a_job(2))] * AT_ONCE)
    assert statuses(answers) == {201: holds, 402: AT_ONCE - holds}
    for answer in answers:
        if answer.status_code == 402:
            assert refused(answer, 402, "not_enough_credits")["neededCents"] == 2 * SLOT_CENTS
    billing = done(owner.get("/owner/billing"))
    assert (billing["balanceCents"], billing["heldCents"]) == (odd_cents, holds * 2 * SLOT_CENTS)
    assert len(done(owner.get("/jobs"))["data"]) == holds


def test_the_last_slots_are_taken_exactly_once(platform: Platform, owner: Client) -> None:
    slots = 10
    job_id, testers = owner.post_job(slots), platform.testers(AT_ONCE)
    answers = all_at_once([taking(tester, job_id) for tester in testers])
    assert statuses(answers) == {201: slots, 409: AT_ONCE - slots}
    for answer in answers:
        if answer.status_code == 409:
            refused(answer, 409, "no_slots_left")
    taken = done(owner.get(f"/owner/jobs/{job_id}/settlement"))["assignments"]
    assert {item["id"] for item in taken} == {a.json()["id"] for a in answers if a.status_code == 201}


def taking(tester: Client, job_id: str) -> Callable[[], Response]:
    return lambda: tester.post(f"/tester/jobs/{job_id}/assignments")


def test_a_tester_who_asks_many_times_at_once_gets_one_slot(owner: Client, tester: Client) -> None:
    answers = all_at_once([taking(tester, owner.post_job(10))] * 12)
    assert statuses(answers) == {201: 1, 409: 11}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"already_taken"}


def test_of_those_who_saw_the_same_version_one_succeeds(owner: Client) -> None:
    job_id = owner.post_job()
    seen = {"if-match": owner.etag(job_id)}
    targets = range(6, 18)
    path = f"/owner/jobs/{job_id}/resize"
    answers = all_at_once([resizing(owner, path, target, seen) for target in targets])
    assert statuses(answers) == {200: 1, 412: len(targets) - 1}
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert owner.job(job_id)["targetTesters"] == winner["newTargetTesters"]


def resizing(owner: Client, path: str, target: int, seen: dict[str, str]) -> Callable[[], Response]:
    return lambda: owner.post(path, {"targetTesters": target}, headers=seen)


def test_a_wallet_never_pays_out_more_than_it_has(owner: Client, tester: Client) -> None:
    job_id = owner.post_job(1)
    tester.complete(job_id)
    done(owner.post(f"/owner/jobs/{job_id}/approve"))
    answers = all_at_once([lambda: tester.post("/tester/wallet/withdrawals", {"amountCents": 70})] * 12)
    assert statuses(answers) == {201: 4, 402: 8}
    assert done(tester.get("/tester/wallet")) == {"payableCents": 20, "pendingCents": 0, "paidOutCents": 280}


def test_approving_and_disputing_at_once_is_one_of_them(owner: Client, tester: Client) -> None:
    job_id = owner.post_job(1)
    tester.complete(job_id)
    path = f"/owner/jobs/{job_id}"
    asks = [lambda: owner.post(f"{path}/approve"), lambda: owner.post(f"{path}/dispute", {"lowQuality": True})]
    answers = all_at_once(asks * 6)
    assert statuses(answers) == {200: 1, 409: 11}
    won = next(answer.json()["settlementStatus"] for answer in answers if answer.status_code == 200)
    assert owner.job(job_id)["settlementStatus"] == won
