"""Looks back in time: what a request asks for, checked against the clock."""

from api.http.route import Call
from api.service.reads import Moment
from domain.errors import FieldProblem, InvalidRequest
from projections.times import iso


def moment(call: Call) -> Moment:
    """The moment that a query names. Raises InvalidRequest for one that has not come yet."""
    now = call.service.committer.now()
    wanted = {"?asOf": call.query.as_of, "?knownAt": call.query.known_at}
    problems = [
        FieldProblem(pointer, f"must not be in the future; it is {iso(now)}")
        for pointer, instant in wanted.items()
        if instant is not None and instant > now
    ]
    if problems:
        raise InvalidRequest(problems)
    return Moment(call.query.as_of, call.query.known_at)
