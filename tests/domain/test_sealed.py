"""Where a sealed text belongs."""

from collections.abc import Callable
from uuid import UUID

import pytest

from domain import sealed

PLACES = (
    sealed.answers_place,
    sealed.claim_place,
    sealed.note_place,
    sealed.platform_issue_place,
    sealed.billing_discrepancy_place,
)


def test_no_two_texts_of_one_thing_have_one_place() -> None:
    assert len({place(UUID(int=1)) for place in PLACES}) == len(PLACES)


@pytest.mark.parametrize("place", PLACES)
def test_a_place_is_of_one_thing(place: Callable[[UUID], str]) -> None:
    assert place(UUID(int=1)) != place(UUID(int=2))
