"""Where a sealed text belongs."""

from collections.abc import Callable
from uuid import UUID

import pytest

from domain import sealed


def statement_place(assignment_id: UUID) -> str:
    return sealed.statement_place(assignment_id, 1)


PLACES = (
    sealed.answers_place,
    sealed.claim_place,
    statement_place,
    sealed.note_place,
    sealed.platform_issue_place,
    sealed.billing_discrepancy_place,
)


def test_each_statement_has_a_place_of_its_own() -> None:
    assert len({sealed.statement_place(UUID(int=1), number) for number in range(1, 6)}) == 5


def test_no_two_texts_of_one_thing_have_one_place() -> None:
    assert len({place(UUID(int=1)) for place in PLACES}) == len(PLACES)


@pytest.mark.parametrize("place", PLACES)
def test_a_place_is_of_one_thing(place: Callable[[UUID], str]) -> None:
    assert place(UUID(int=1)) != place(UUID(int=2))
