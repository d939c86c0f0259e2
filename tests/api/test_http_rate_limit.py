"""A key may make so many requests a second where the platform says so; in the sandbox, as many as it likes."""

from pathlib import Path
from uuid import UUID

import pytest

from api.http.problems import RateLimited
from api.http.rate_limit import RateLimit
from tests.api.server import client, connected, done, listening, refused
from tests.program import create_key

PER_SECOND = 5


def test_who_asks_too_often_is_told_to_wait_and_nobody_else_is(tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path / 'tallyhold.sqlite'}"
    made = {role: create_key(tmp_path, db, role, "Somebody") for role in ("owner", "tester")}
    limit = {"TALLYHOLD_RATE_LIMIT": str(PER_SECOND)}
    with listening(tmp_path, db, "--sandbox", **limit) as url, connected(url) as (http, _):
        owner, tester = (client(http, key) for key in made.values())
        answers = [owner.get("/jobs") for _ in range(10 * PER_SECOND)]
        too_many = [answer for answer in answers if answer.status_code != 200]
        assert len(answers) - len(too_many) >= PER_SECOND
        assert too_many
        for answer in too_many:
            refused(answer, 429, "rate_limited")
            assert int(answer.headers["retry-after"]) >= 1
        done(tester.get("/tester/wallet"))
        assert http.get("/healthz").status_code == 200


def test_each_key_has_a_limit_of_its_own() -> None:
    limit = RateLimit(2)
    for _ in range(2):
        limit.count(UUID(int=1))
    with pytest.raises(RateLimited):
        limit.count(UUID(int=1))
    limit.count(UUID(int=2))
