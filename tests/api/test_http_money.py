"""Credits, wallets and the ledger over HTTP."""

from pathlib import Path

import pytest

from tests.api.server import (
    SLOT_CENTS,
    Client,
    Platform,
    Unchanged,
    a_job,
    a_key,
    client,
    connected,
    done,
    listening,
    refused,
    wrong_fields,
)
from tests.program import create_key

DECLINED = 500_402
"""The sandbox's gateway declines what ends in 00402."""


def test_credits_are_bought_and_shown(platform: Platform) -> None:
    owner = platform.owner(0)
    billing = {
        "balanceCents": 0,
        "heldCents": 0,
        "totalCents": 0,
        "currency": "USD",
        "hasPaymentMethod": True,
        "autoReload": {"enabled": False, "thresholdCents": None, "reloadAmountCents": None},
    }
    assert done(owner.get("/owner/billing")) == billing
    bought = owner.post("/owner/billing/add-credits", {"amountCents": 2_000})
    assert done(bought, 201) == {**billing, "balanceCents": 2_000, "totalCents": 2_000}
    assert bought.headers["location"] == "/owner/billing"
    owner.post_job()
    expected = {**billing, "balanceCents": 50, "heldCents": 1_950, "totalCents": 2_000}
    assert done(owner.get("/owner/billing")) == expected


@pytest.mark.parametrize("amount", [0, -1, 100_000_001, 1.5, 300.0, "300", True, None, 1e3, [1]])
def test_an_amount_is_whole_cents_within_bounds(owner: Client, tester: Client, amount: object) -> None:
    with Unchanged(owner):
        assert wrong_fields(owner.post("/owner/billing/add-credits", {"amountCents": amount})) == ["/amountCents"]
        assert wrong_fields(tester.post("/tester/wallet/withdrawals", {"amountCents": amount})) == ["/amountCents"]


def test_a_declined_payment_buys_nothing_and_its_key_may_be_used_again(platform: Platform) -> None:
    owner, key = platform.owner(0), a_key()
    for _ in range(2):
        response = owner.post("/owner/billing/add-credits", {"amountCents": DECLINED}, headers=key)
        refused(response, 402, "payment_failed")
        assert "idempotent-replayed" not in response.headers
    assert owner.balance() == 0
    done(owner.post("/owner/billing/add-credits", {"amountCents": 500}, headers=key), 201)
    assert owner.balance() == 500
    assert [entry["type"] for entry in done(owner.get("/owner/ledger"))["data"]] == ["credit_purchase"]


def test_a_job_that_costs_more_than_there_is_tells_both_amounts(platform: Platform) -> None:
    owner = platform.owner(SLOT_CENTS * 5 - 1)
    with Unchanged(owner):
        problem = refused(owner.post("/jobs", a_job()), 402, "not_enough_credits")
    assert (problem["neededCents"], problem["availableCents"]) == (1_950, 1_949)
    owner.post_job(4)
    problem = refused(owner.post("/jobs", a_job(1)), 402, "not_enough_credits")
    assert (problem["neededCents"], problem["availableCents"]) == (390, 389)


def test_a_resize_moves_exactly_the_difference(platform: Platform) -> None:
    owner = platform.owner(6_500)
    rules = [{"type": "fixed", "amountCents": 500}]
    job_id = owner.post_job(5, paymentRules=rules)
    path = f"/owner/jobs/{job_id}/resize"
    assert done(owner.post(path, {"targetTesters": 10})) == {
        "previousTargetTesters": 5,
        "newTargetTesters": 10,
        "previousEscrowHoldCents": 3_250,
        "newEscrowHoldCents": 6_500,
        "escrowDeltaCents": 3_250,
        "status": "active",
        "settlementStatus": None,
    }
    assert owner.balance() == 0
    problem = refused(owner.post(path, {"targetTesters": 11}), 402, "not_enough_credits")
    assert (problem["neededCents"], problem["availableCents"]) == (650, 0)
    refused(owner.post(path, {"targetTesters": 4}), 409, "below_minimum")
    assert done(owner.post(path, {"targetTesters": 10}))["escrowDeltaCents"] == 0
    assert done(owner.post(path, {"targetTesters": 5}))["escrowDeltaCents"] == -3_250
    assert owner.balance() == 3_250


def test_a_wallet_pays_out_what_was_approved(owner: Client, tester: Client) -> None:
    empty = {"payableCents": 0, "pendingCents": 0, "paidOutCents": 0}
    assert done(tester.get("/tester/wallet")) == empty
    job_id = owner.post_job(1)
    tester.complete(job_id)
    assert done(tester.get("/tester/wallet")) == {**empty, "pendingCents": 300}
    problem = refused(tester.post("/tester/wallet/withdrawals", {"amountCents": 1}), 402, "not_enough_payable")
    assert (problem["neededCents"], problem["availableCents"]) == (1, 0)
    done(owner.post(f"/owner/jobs/{job_id}/approve"))
    assert done(tester.get("/tester/wallet")) == {**empty, "payableCents": 300}
    withdrawn = tester.post("/tester/wallet/withdrawals", {"amountCents": 100})
    body = done(withdrawn, 201)
    assert (body["amountCents"], body["payableCents"]) == (100, 200)
    assert withdrawn.headers["location"] == "/tester/wallet"
    problem = refused(tester.post("/tester/wallet/withdrawals", {"amountCents": 201}), 402, "not_enough_payable")
    assert (problem["neededCents"], problem["availableCents"]) == (201, 200)
    assert done(tester.get("/tester/wallet")) == {**empty, "payableCents": 200, "paidOutCents": 100}


def test_every_entry_balances_and_names_its_cause_and_all_of_them_make_the_balance(
    owner: Client, tester: Client
) -> None:
    job_id = owner.post_job(2)
    tester.complete(job_id)
    for verb in ("stop", "approve"):
        done(owner.post(f"/owner/jobs/{job_id}/{verb}"))
    entries = done(owner.get("/owner/ledger", limit=50))["data"]
    account, balance = f"owner:{owner.id}:credits", 0
    for entry in entries:
        debit, credit = entry["postings"]
        assert (debit["side"], credit["side"]) == ("debit", "credit")
        assert debit["amountCents"] == credit["amountCents"] > 0
        balance += sum(p["amountCents"] for p in (credit,) if p["account"] == account)
        balance -= sum(p["amountCents"] for p in (debit,) if p["account"] == account)
        assert entry["description"]
        assert entry["event"]["position"] > 0
    assert balance == owner.balance() == 1_000_000 - SLOT_CENTS
    assert [entry["type"] for entry in entries] == [
        "credit_purchase",
        "escrow_hold",
        "escrow_release_unused",
        "settlement_payout",
        "settlement_fee",
    ]


def test_without_a_gateway_nothing_can_be_bought(tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path / 'real.sqlite'}"
    made = create_key(tmp_path, db, "owner", "Ada")
    with listening(tmp_path, db) as url, connected(url) as (http, _):
        owner = client(http, made)
        assert done(owner.get("/owner/billing"))["hasPaymentMethod"] is False
        for dry_run in ("false", "true"):
            response = owner.post("/owner/billing/add-credits", {"amountCents": 100}, dryRun=dry_run)
            refused(response, 503, "gateway_not_configured")
            assert int(response.headers["retry-after"]) > 0
        refused(owner.post("/jobs", a_job()), 402, "not_enough_credits")
