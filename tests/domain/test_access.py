"""Who may use the platform, and with which keys."""

from uuid import UUID

import pytest

from domain.access import events as e
from domain.access.commands import Forget, IssueKey, Register, RevokeKey
from domain.access.decider import ACCESS, MAX_LIVE_KEYS
from domain.errors import InvalidState, InvariantBroken, NotFound
from domain.ids import access_stream
from tests.given import ACCESS_SPEC

ACME = UUID(int=1)
KEY = UUID(int=2)
REGISTERED = e.Registered(principal_id=ACME, role=e.Role.OWNER, name="Acme", public_id=None)
ISSUED = e.KeyIssued(key_id=KEY, key_hash="hash")
REVOKED = e.KeyRevoked(key_id=KEY)


def register(role: e.Role) -> Register:
    return Register(principal_id=ACME, role=role, name="Acme", public_id=123_456)


@pytest.mark.parametrize(
    ("role", "public_id"),
    [(e.Role.OWNER, None), (e.Role.TESTER, 123_456), (e.Role.OPERATOR, None), (e.Role.AUDITOR, None)],
)
def test_only_a_tester_has_a_public_number(role: e.Role, public_id: int | None) -> None:
    principal = (
        ACCESS_SPEC.given()
        .when(register(role))
        .then(e.Registered(principal_id=ACME, role=role, name="Acme", public_id=public_id))
    )
    assert (principal.state.id, principal.state.role, principal.state.public_id) == (ACME, role, public_id)


def test_the_same_principal_is_registered_once() -> None:
    ACCESS_SPEC.given(REGISTERED).when(register(e.Role.OWNER)).then_nothing()


def test_a_principal_has_many_keys() -> None:
    one = ACCESS_SPEC.given(REGISTERED).when(IssueKey(key_id=KEY, key_hash="hash")).then(ISSUED)
    two = one.when(IssueKey(key_id=UUID(int=3), key_hash="other")).then(
        e.KeyIssued(key_id=UUID(int=3), key_hash="other")
    )
    assert two.state.keys == {KEY, UUID(int=3)}


def test_live_keys_are_bounded() -> None:
    keys = [e.KeyIssued(key_id=UUID(int=number), key_hash="hash") for number in range(MAX_LIVE_KEYS)]
    full = ACCESS_SPEC.given(REGISTERED, *keys)
    full.when(IssueKey(key_id=UUID(int=999), key_hash="hash")).then_refused(InvalidState)
    one_less = full.and_then(e.KeyRevoked(key_id=UUID(int=0)))
    one_less.when(IssueKey(key_id=UUID(int=999), key_hash="hash")).then_kinds(e.KeyIssued)


def test_a_key_is_revoked_once_and_for_ever() -> None:
    revoked = ACCESS_SPEC.given(REGISTERED, ISSUED).when(RevokeKey(key_id=KEY)).then(REVOKED)
    assert not revoked.state.keys
    assert revoked.state.revoked_keys == {KEY}
    revoked.when(RevokeKey(key_id=KEY)).then_nothing()


def test_a_key_of_nobody_cannot_be_revoked() -> None:
    ACCESS_SPEC.given(REGISTERED).when(RevokeKey(key_id=KEY)).then_refused(NotFound)


def test_only_a_principal_has_keys() -> None:
    ACCESS_SPEC.given().when(IssueKey(key_id=KEY, key_hash="hash")).then_refused(NotFound)
    ACCESS_SPEC.given().when(RevokeKey(key_id=KEY)).then_refused(NotFound)


@pytest.mark.parametrize("history", [(ISSUED,), (REVOKED,), (REGISTERED, REGISTERED)])
def test_impossible_history_is_told(history: tuple[e.AccessEvent, ...]) -> None:
    with pytest.raises(InvariantBroken):
        ACCESS.fold(history)


def test_the_same_role_and_name_are_always_the_same_stream() -> None:
    assert access_stream("owner", "Acme") == access_stream("owner", "Acme")
    assert len({access_stream(role, name) for role in e.Role for name in ("Acme", "Beta")}) == 8


def test_a_principal_is_forgotten_once_and_keeps_the_keys() -> None:
    forgotten = (
        ACCESS_SPEC.given(REGISTERED, ISSUED).when(Forget()).then(e.Forgotten(principal_id=REGISTERED.principal_id))
    )
    assert forgotten.state.is_forgotten and forgotten.state.keys == {KEY}
    forgotten.when(Forget()).then_nothing()


def test_nobody_is_not_forgotten() -> None:
    ACCESS_SPEC.given().when(Forget()).then_refused(NotFound)
