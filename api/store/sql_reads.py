"""What users ask of the read models, in SQL of either dialect. Every list is a page; every page has an index."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import product
from operator import itemgetter
from typing import Any
from uuid import UUID

import msgspec

from api.service.cache import GenerationCache
from api.service.ports import Changed, Head, TakenOver
from api.service.reads import (
    BreakFilter,
    DisputedWork,
    DisputeFile,
    JobFilter,
    LedgerFilter,
    Page,
    Principal,
    VerdictFilter,
)
from api.store.mapper import event_in
from api.store.schema import SCHEMA_VERSION
from api.store.sessions import Reader, first
from domain.job.events import Created
from domain.recorded import Actor, ActorKind
from domain.times import Instant
from projections import dispute_views, views
from projections.json import text, uuid
from projections.ledger import ENTRIES_PER_EVENT
from projections.reconciliations import BREAKS_PER_RUN
from projections.replay import views_version

Row = Mapping[str, Any]

_NUMBER = re.compile("[1-9][0-9]{0,17}")
"""That fits into a column."""
STATUSES = ("active", "paused", "closing", "completed", "cancelled")
SETTLEMENTS = (None, "pending_approval", "approved", "disputed", "resolved")
OWNERS_CACHED = 20_000
"""A job never changes its owner."""
PLACES_CACHED = 20_000
"""An assignment never changes its job and tester."""
MAX_LOOKED_AT = 5_000
"""Rows that a page looks at for what no index leads to."""
MAX_PASSED_OVER = 25
"""Jobs that a page of those on offer looks at and does not show: to tell that one has no room takes as long as to
show one that has."""
PAGE = 100
AT_ONCE = 500
"""Completed assignments that are read in one go; a job with more is read page by page on its own connection."""


_HEAD = "SELECT schema_version, views_version, position, last_time, next_due, sandbox_now, views_generation FROM head"


class SQLReads:
    """Reads of one process. A snapshot keeps several statements on one state of the database."""

    def __init__(self, reader: Reader, opens: views.Opens) -> None:
        self._reader = reader
        self._opens = opens
        self._views_version = views_version()
        self._owners: GenerationCache[UUID, UUID] = GenerationCache(OWNERS_CACHED)
        self._places: GenerationCache[UUID, tuple[UUID, UUID]] = GenerationCache(PLACES_CACHED)

    def close(self) -> None:
        self._reader.close()

    def _snapshot(self) -> AbstractContextManager[None]:
        return self._reader.snapshot()

    def _one(self, sql: str, *params: Any) -> Any:
        return first(self._reader.rows(sql, params))

    def _all(self, sql: str, *params: Any) -> list[Any]:
        return self._reader.rows(sql, params)

    def position(self) -> int:
        """The position of the last event that any read from now on shows."""
        position: int = self._one("SELECT position FROM head")[0]
        return position

    def head(self) -> Head:
        """The end of the log, as all processes have left it. Raises TakenOver."""
        schema, views_of, *head = self._one(_HEAD)
        if (schema, views_of) != (SCHEMA_VERSION, self._views_version):
            raise TakenOver
        return Head(*head)

    def secret(self) -> bytes:
        """What the cursors of lists are signed with."""
        secret: bytes = self._one("SELECT secret FROM head")[0]
        return secret

    # -- access ------------------------------------------------------------------------------------------------

    def changes(self, after: int, upto: int) -> Sequence[Changed]:
        """The streams of the events behind one position and up to another, and which are those of principals."""
        rows = self._reader.rows(
            "SELECT DISTINCT originator_id, topic >= 'access.' AND topic < 'access/' FROM stored_events "
            "WHERE position > ? AND position <= ?",
            (after, upto),
        )
        return [(UUID(stream), bool(is_access)) for stream, is_access in rows]

    def principal(self, key_hash: str) -> Principal | None:
        """Whose key it is, unless it was revoked."""
        row = self._one(
            "SELECT principal_id, role, name, public_id, key_id FROM keys JOIN principals USING (stream) "
            "WHERE key_hash = ? AND revoked_at IS NULL",
            key_hash,
        )
        if row is None:
            return None
        principal_id, role, name, public_id, key_id = UUID(row[0]), row[1], row[2], row[3], UUID(row[4])
        return Principal(principal_id, role, name, public_id, key_id, Actor(ActorKind(role), principal_id, key_id))

    def stream_of_principal(self, principal_id: UUID) -> UUID | None:
        row = self._one("SELECT stream FROM principals WHERE principal_id = ?", str(principal_id))
        return UUID(row[0]) if row else None

    def tester_named(self, name: str) -> tuple[UUID, UUID] | None:
        """The stream and the id of the tester with a UUID or public number."""
        column, value = ("public_id", int(name)) if _NUMBER.fullmatch(name) else ("principal_id", name.lower())
        row = self._one(f"SELECT stream, principal_id FROM principals WHERE {column} = ? AND role = 'tester'", value)
        return (UUID(row[0]), UUID(row[1])) if row else None

    def stream_of_key(self, key_id: UUID) -> UUID | None:
        row = self._one("SELECT stream FROM keys WHERE key_id = ?", str(key_id))
        return UUID(row[0]) if row else None

    def keys(self, before: int | None, limit: int) -> Page:
        rows = self._all(
            "SELECT keys.*, principal_id, role, name FROM keys JOIN principals USING (stream) "
            "WHERE keys.position < ? ORDER BY keys.position DESC LIMIT ?",
            _or_last(before),
            limit + 1,
        )
        return _page(rows, limit, "position", views.key_item)

    # -- whose is it -------------------------------------------------------------------------------------------

    def owner_of_job(self, job_id: UUID) -> UUID | None:
        owner_id = self._owners.get(job_id)
        if owner_id is None:
            row = self._one("SELECT owner_id FROM jobs WHERE job_id = ?", str(job_id))
            if row is None:
                return None
            owner_id = UUID(row[0])
            self._owners.put(job_id, owner_id)
        return owner_id

    def owners_of(self, streams: Collection[UUID]) -> set[UUID]:
        """Whose jobs there are among these streams; the others are passed over."""
        owners = {stream: self._owners.get(stream) for stream in streams}
        unknown = [str(stream) for stream, owner_id in owners.items() if owner_id is None]
        if unknown:
            marks = ", ".join("?" * len(unknown))
            for row in self._all(f"SELECT job_id, owner_id FROM jobs WHERE job_id IN ({marks})", *unknown):
                job_id, owner_id = UUID(row[0]), UUID(row[1])
                owners[job_id] = owner_id
                self._owners.put(job_id, owner_id)
        return {owner_id for owner_id in owners.values() if owner_id is not None}

    def known_place(self, assignment_id: UUID) -> tuple[UUID, UUID] | None:
        """The job and the tester of an assignment, where they are in memory."""
        return self._places.get(assignment_id)

    def places_of(self, assignment_ids: Sequence[UUID]) -> Mapping[UUID, tuple[UUID, UUID]]:
        """The jobs and the testers of those of these assignments that there are."""
        marks = ", ".join("?" * len(assignment_ids))
        sql = f"SELECT assignment_id, job_id, tester_id FROM assignments WHERE assignment_id IN ({marks})"
        found = {uuid(row[0]): (uuid(row[1]), uuid(row[2])) for row in self._all(sql, *map(text, assignment_ids))}
        for assignment_id, place in found.items():
            self._places.put(assignment_id, place)
        return found

    # -- jobs --------------------------------------------------------------------------------------------------

    def jobs(self, owner_id: UUID, wanted: JobFilter, before: int | None, limit: int) -> Page:
        """The owner's jobs, newest first."""
        params = (str(owner_id), _or_last(before))
        if wanted.status is None and wanted.settlement_status is None:
            rows = self._reader.rows(_JOBS + "ORDER BY position DESC LIMIT ?", (*params, limit + 1))
        else:
            rows = self._filtered_jobs(wanted, params, limit)
        shown = rows[:limit]
        items = ",".join([views.job_list_item(row) for row in shown])
        last = shown[-1][0] if len(rows) > limit else None
        return Page(msgspec.Raw(f"[{items}]".encode()), last, tuple([uuid(row[1]) for row in shown]))

    def _filtered_jobs(self, wanted: JobFilter, params: tuple[Any, ...], limit: int) -> list[Any]:
        """A page merged of one run of the index for each combination: its cost does not grow with the list."""
        statuses = STATUSES if wanted.status is None else (wanted.status,)
        settlements: Sequence[str | None] = SETTLEMENTS
        if wanted.settlement_status is not None:
            settlements = (None if wanted.settlement_status == "none" else wanted.settlement_status,)
        rows: list[Any] = []
        for status, settled in product(statuses, settlements):
            # "IS NOT DISTINCT FROM ?" would use no index on PostgreSQL.
            where, values = ("IS NULL", ()) if settled is None else ("= ?", (settled,))
            sql = f"{_JOBS}AND status = ? AND settlement_status {where} ORDER BY position DESC LIMIT ?"
            rows += self._reader.rows(sql, (*params, status, *values, limit + 1))
        return sorted(rows, key=itemgetter(0), reverse=True)[: limit + 1]

    def job_status(self, job_id: UUID) -> str:
        status: str = self._one("SELECT status FROM jobs WHERE job_id = ?", str(job_id))[0]
        return status

    def job_detail(self, job_id: UUID, *, timed_out: bool | None = None) -> tuple[int, Iterator[bytes]]:
        """A job's version, and its detail as pieces of JSON; ``timed_out`` is told where somebody waited.

        With more than AT_ONCE completed assignments the pieces hold a connection of their own until used up.
        """
        row = self._one(_DETAIL_AND_TERMS, str(job_id))
        if row["assignments"]:  # more statements follow, on the same state of the database
            return _begun(self._detail_of_several(job_id, timed_out))
        return row["version"], detail_pieces(self._reader, row, _created(row), timed_out, self._opens)

    def _detail_of_several(self, job_id: UUID, timed_out: bool | None) -> Iterator[int | bytes]:
        with self._snapshot():
            row = self._one(_DETAIL_AND_TERMS, str(job_id))
            if row["completed"] <= AT_ONCE:
                pieces = detail_pieces(self._reader, row, _created(row), timed_out, self._opens)
                return iter([row["version"], *pieces])
        return self._detail_on_its_own(job_id, timed_out)

    def _detail_on_its_own(self, job_id: UUID, timed_out: bool | None) -> Iterator[int | bytes]:
        """First the version, then the pieces, all of one snapshot."""
        reader = self._reader.another()
        try:
            with reader.snapshot():
                row = reader.rows(_DETAIL_AND_TERMS, (str(job_id),))[0]
                yield row["version"]
                yield from detail_pieces(reader, row, _created(row), timed_out, self._opens)
        finally:
            reader.close()

    def assignments(self, job_id: UUID, after: int | None, limit: int) -> Page:
        """The completed assignments of a job, oldest first."""
        with self._snapshot():
            settled = self._one("SELECT settlement_status FROM jobs WHERE job_id = ?", str(job_id))[0]
            rows = self._all(
                "SELECT * FROM assignments WHERE job_id = ? AND status = 'completed' AND position > ? "
                "ORDER BY position LIMIT ?",
                str(job_id),
                after or 0,
                limit + 1,
            )
        return _page(rows, limit, "position", lambda row: views.assignment_item(row, settled, self._opens))

    def settlement(self, job_id: UUID) -> tuple[int, dict[str, Any]]:
        """A job's version, and where its settlement stands."""
        with self._snapshot():
            row = self._one("SELECT * FROM jobs WHERE job_id = ?", str(job_id))
            assignments = self._all("SELECT * FROM assignments WHERE job_id = ? ORDER BY position", str(job_id))
            dispute = self._one("SELECT * FROM disputes WHERE job_id = ?", str(job_id))
        return row["version"], views.settlement(row, assignments, dispute)

    # -- testers -----------------------------------------------------------------------------------------------

    def offered_jobs(self, tester_id: UUID, now: Instant, before: int | None, limit: int) -> Page:
        """Jobs with a slot that this tester may take now, newest first.

        A page passes over so many others at most, and may be short, even empty, and yet not the last.
        """
        found: list[Row] = []
        reached, passed_over = None, 0
        with self._snapshot(), self._reader.stream(_OFFERED, (_or_last(before), now, str(tester_id))) as rows:
            for row in rows:
                if self._has_room(row):
                    found.append(row)
                else:
                    passed_over += 1
                if len(found) > limit or passed_over == MAX_PASSED_OVER:
                    reached = row["position"]
                    break
        page = _page(found, limit, "position", lambda row: views.offered_job(row, _created(row)))
        return page if page.last is not None else replace(page, last=reached)

    def _has_room(self, row: Row) -> bool:
        """Whether one of the variants that take anybody is open; where all do, an open slot is enough."""
        if row["openness"] == 2:
            return True
        counts = _counts(self._reader, row["job_id"])
        return views.has_room(row, _created(row).terms, counts)

    def tester_assignments(self, tester_id: UUID, before: int | None, limit: int) -> Page:
        """The tester's own assignments, newest first."""
        rows = self._all(
            _TESTER_ASSIGNMENT + "WHERE a.tester_id = ? AND a.position < ? ORDER BY a.position DESC LIMIT ?",
            str(tester_id),
            _or_last(before),
            limit + 1,
        )
        return _page(rows, limit, "position", self._tester_assignment)

    def tester_assignment(self, assignment_id: UUID) -> dict[str, Any]:
        return self._tester_assignment(self._one(_TESTER_ASSIGNMENT + "WHERE a.assignment_id = ?", str(assignment_id)))

    def _tester_assignment(self, row: Row) -> dict[str, Any]:
        return views.tester_assignment(row, _created(row).terms, self._opens)

    def wallet(self, tester_id: UUID) -> dict[str, Any]:
        return views.wallet(self._one("SELECT * FROM wallets WHERE tester_id = ?", str(tester_id)))

    # -- money -------------------------------------------------------------------------------------------------

    def billing(self, owner_id: UUID) -> tuple[int, int]:
        """Free and held credits in cents."""
        row = self._one("SELECT balance_cents, held_cents FROM billing WHERE owner_id = ?", str(owner_id))
        return (row[0], row[1]) if row else (0, 0)

    def ledger(self, wanted: LedgerFilter, after: int | None, limit: int) -> Page:
        """Journal entries, oldest first."""
        where: list[tuple[str, int | str]] = [("entry > ?", after or 0)]
        conditions: tuple[tuple[str, int | str | None], ...] = (
            ("owner_id = ?", text(wanted.owner_id)),
            ("job_id = ?", text(wanted.job_id)),
            ("entry >= ?", self._first_entry_at(wanted.from_instant)),
            ("entry < ?", self._first_entry_at(wanted.to_instant)),
            ("entry < ?", None if wanted.upto is None else (wanted.upto + 1) * ENTRIES_PER_EVENT),
        )
        for condition, value in conditions:
            if value is not None:
                where.append((condition, value))
        among = f"journal WHERE {' AND '.join(condition for condition, _ in where)}"
        of_type = [] if wanted.type is None else [("type = ?", wanted.type)]
        rows, last = sifted(self._reader, among, [value for _, value in where], "entry", of_type, limit)
        return Page([views.ledger_entry(row) for row in rows], last)

    def _first_entry_at(self, instant: Instant | None) -> int | None:
        """The first entry at or after an instant: entries are in the order of time, so a binary search finds it."""
        if instant is None:
            return None
        low, high = 0, self._one("SELECT coalesce(max(entry), 0) + 1 FROM journal")[0]
        while low < high:
            middle = (low + high) // 2
            row = self._one("SELECT entry, occurred_at FROM journal WHERE entry >= ? ORDER BY entry LIMIT 1", middle)
            if row is None or row["occurred_at"] >= instant:
                high = middle
            else:
                low = row["entry"] + 1
        return low

    def balances(self) -> Mapping[str, int]:
        """The balance of every account on its normal side, in cents."""
        return dict(self._all(BALANCES_OF_ALL_ACCOUNTS))

    def open_purchases(self, after: int, limit: int) -> tuple[Sequence[tuple[UUID, UUID, int]], int | None]:
        """Owner, id and cents of purchases that the gateway has not answered; the key of the last where more follow."""
        rows = self._all(
            "SELECT owner_id, purchase_id, amount_cents, position FROM purchases "
            "WHERE status = 'open' AND position > ? ORDER BY position LIMIT ?",
            after,
            limit,
        )
        found = [(UUID(row[0]), UUID(row[1]), row[2]) for row in rows]
        return found, rows[-1][3] if len(rows) == limit else None

    # -- reconciliations ---------------------------------------------------------------------------------------

    def breaks_of_run(self, run_id: UUID) -> int | None:
        """How many breaks of a reconciliation are kept; null where there is no such run."""
        row = self._one("SELECT breaks FROM reconciliations WHERE run_id = ?", str(run_id))
        return None if row is None else row[0]

    def open_breaks(self, before: Instant, *, of_gateway: bool, of_bank: bool) -> tuple[UUID, int] | None:
        """How many breaks of which statements of the gateway or of the bank tell, and that began before an instant, are
        neither settled nor such as go away by themselves, with the last run that has found one; null where none is.

        A break that a later run looked for, with a statement of the same side, and did not find is none any more.
        """
        row = self._one(_OPEN_BREAKS, before, int(of_gateway), int(of_bank))
        return None if row[1] is None else (UUID(self._run_at(row[1])), row[0])

    def _run_at(self, position: int) -> str:
        run_id: str = self._one("SELECT run_id FROM reconciliations WHERE position = ?", position)[0]
        return run_id

    def reconciliations(self, before: int | None, limit: int) -> Page:
        """Runs that were kept, the newest first."""
        rows = self._all(
            "SELECT position, item FROM reconciliations WHERE position < ? ORDER BY position DESC LIMIT ?",
            _or_last(before),
            limit + 1,
        )
        return _page(rows, limit, "position", views.reconciliation_item)

    def reconciliation(self, run_id: UUID) -> dict[str, Any]:
        """A run with its evidence."""
        row = self._one("SELECT item, evidence FROM reconciliations WHERE run_id = ?", str(run_id))
        return views.reconciliation(row)

    def reconciliation_breaks(self, run_id: UUID, wanted: BreakFilter, after: int | None, limit: int) -> Page:
        """Breaks of a run in the order of the log, with what became of each."""
        position = self._one("SELECT position FROM reconciliations WHERE run_id = ?", str(run_id))[0]
        where = "entry > ? AND entry < ?"
        params: list[Any] = [after or position * BREAKS_PER_RUN, (position + 1) * BREAKS_PER_RUN]
        for condition, value in (
            ("category = ?", wanted.category),
            ("coalesce(status, 'open') = ?", wanted.status),
        ):
            if value is not None:
                where += f" AND {condition}"
                params.append(value)
        rows = self._all(
            "SELECT entry, item, status, reason, proposed_by, proposed_at, confirmed_by, confirmed_at "
            "FROM reconciliation_breaks LEFT JOIN reconciliation_cases USING (case_id) "
            f"WHERE {where} ORDER BY entry LIMIT ?",
            *params,
            limit + 1,
        )
        return _page(rows, limit, "entry", views.reconciliation_break)

    # -- disputes ----------------------------------------------------------------------------------------------

    def disputes(self, status: str | None, now: Instant, after: int | None, limit: int) -> Page:
        """Disputes, the longest open first."""
        with self._snapshot():
            statuses = ("open", "resolved") if status is None else (status,)
            rows: list[Any] = []
            for one in statuses:
                rows += self._all(
                    "SELECT * FROM disputes WHERE status = ? AND position > ? ORDER BY position LIMIT ?",
                    one,
                    after or 0,
                    limit + 1,
                )
            rows = sorted(rows, key=lambda row: row["position"])[: limit + 1]
            return _page(rows, self._fit(rows[:limit]), "position", lambda row: self._dispute(row, now))

    def _fit(self, disputes: Sequence[Row]) -> int:
        """How many disputes one page has room for: their claims are shown whole, at least those of the first."""
        if not disputes:
            return 0
        marks = ", ".join("?" * len(disputes))
        counted = f"SELECT job_id, count(*) FROM claims WHERE job_id IN ({marks}) GROUP BY job_id"
        claims = dict(self._all(counted, *(each["job_id"] for each in disputes)))
        room, fit = CLAIMS_ON_A_PAGE, 0
        for each in disputes:
            room -= claims.get(each["job_id"], 0)
            if room < 0 and fit:
                break
            fit += 1
        return fit

    def _dispute(self, row: Row, now: Instant) -> dict[str, Any]:
        claims = self._all(_CLAIM + "WHERE c.job_id = ? ORDER BY c.entry", row["job_id"])
        return dispute_views.dispute_item(row, claims, now, self._opens)

    def dispute_file(self, job_id: UUID, now: Instant, after: int | None, limit: int) -> DisputeFile | None:
        """All about a job's dispute, its claims page by page; null where the job was never disputed."""
        named = str(job_id)
        with self._snapshot():
            dispute = self._one("SELECT * FROM disputes WHERE job_id = ?", named)
            if dispute is None:
                return None
            job = self._one(_DETAIL_AND_TERMS, named)
            claims = self._all(
                _CLAIM + "WHERE c.job_id = ? AND c.entry > ? ORDER BY c.entry LIMIT ?", named, after or 0, limit + 1
            )
            first = self._one(
                "SELECT verdict FROM claims WHERE job_id = ? AND verdict IS NOT NULL ORDER BY verdict LIMIT 1", named
            )
            return DisputeFile(
                version=job["version"],
                head=dispute_views.dispute_head(dispute, now, self._opens),
                terms=dispute_views.pinned_terms(job, _created(job)),
                on_owner=self._verdicts("owner_id", dispute["owner_id"], first and first[0], EARLIER_VERDICTS),
                work=_page(claims, limit, "entry", self._disputed_work),
            )

    def _disputed_work(self, claim: Row) -> DisputedWork:
        statements = self._all(
            "SELECT * FROM statements WHERE assignment_id = ? ORDER BY number", claim["assignment_id"]
        )
        earlier = self._verdicts("tester_id", claim["tester_id"], claim["verdict"], EARLIER_VERDICTS)
        return DisputedWork(dispute_views.disputed_work(claim, statements, self._opens), earlier)

    def verdicts(self, wanted: VerdictFilter, before: int | None, limit: int) -> Page:
        """Verdicts on a tester or on an owner's claims, the newest first."""
        with self._snapshot():
            if wanted.tester_id is not None:
                return self._verdicts("tester_id", str(wanted.tester_id), before, limit)
            return self._verdicts("owner_id", str(wanted.owner_id), before, limit)

    def _verdicts(self, column: str, person: str, before: int | None, limit: int) -> Page:
        rows = self._all(
            f"{_CLAIM}WHERE c.{column} = ? AND c.verdict < ? ORDER BY c.verdict DESC LIMIT ?",
            person,
            _or_last(before),
            limit + 1,
        )
        return _page(rows, limit, "verdict", lambda row: dispute_views.verdict_item(row, self._opens))


_TESTER_ASSIGNMENT = (
    "SELECT a.*, jobs.settlement_status AS job_settlement, maxima, state, category, description, statements, flags "
    "FROM assignments a JOIN jobs ON jobs.job_id = a.job_id JOIN stored_events e ON e.position = jobs.position "
    "LEFT JOIN claims ON claims.assignment_id = a.assignment_id LEFT JOIN disputes ON disputes.job_id = a.job_id "
)

CLAIMS_ON_A_PAGE = 1_000
"""Of the list of disputes, unless its first dispute alone has more: one has 10,000 at most."""
EARLIER_VERDICTS = 10
"""On the owner, and on each tester, in the file of a dispute; the next ones are pages of their own."""
_CLAIM = (
    "SELECT c.*, a.tester_public_id, a.variant_id, a.reserved_until, a.started_at, a.hard_deadline, a.completed_at, "
    "a.duration_minutes, a.answers, a.earned_cents, a.earned_fee_cents "
    "FROM claims c JOIN assignments a ON a.assignment_id = c.assignment_id "
)


_OPEN_BREAKS = (
    "SELECT count(DISTINCT case_id), max(r.position) FROM reconciliation_breaks b "
    f"JOIN reconciliations r ON r.position = b.entry / {BREAKS_PER_RUN} LEFT JOIN reconciliation_cases USING (case_id) "
    "WHERE remedy = 'adjust' AND coalesce(status, 'open') <> 'adjusted' AND since < ? "
    "AND CASE told_by WHEN 'gateway' THEN ? WHEN 'bank' THEN ? ELSE 0 END = 1 "
    "AND NOT EXISTS (SELECT 1 FROM reconciliations later WHERE later.position > r.position "
    "AND coalesce(later.begins_at, 0) <= b.since AND later.ends_at >= b.since "
    "AND CASE told_by WHEN 'bank' THEN later.of_bank ELSE later.of_gateway END = 1)"
)
BALANCES_OF_ALL_ACCOUNTS = (
    "SELECT account, balance_cents FROM balances UNION ALL "
    "SELECT 'owner:' || owner_id || ':escrow:' || job_id, escrow_balance_cents FROM jobs ORDER BY 1"
)
_JOBS = f"SELECT {', '.join(views.LIST_COLUMNS)} FROM jobs WHERE owner_id = ? AND position < ? "
DETAIL = f"SELECT {', '.join(views.DETAIL_COLUMNS)} FROM jobs WHERE job_id = ?"
_DETAIL_AND_TERMS = (
    f"SELECT {', '.join(views.DETAIL_COLUMNS)}, state FROM jobs JOIN stored_events USING (position) WHERE job_id = ?"
)


_OFFERED = (
    "SELECT jobs.*, state FROM jobs JOIN stored_events USING (position) "
    "WHERE status = 'active' AND open_slots > 0 AND openness > 0 AND position < ? "
    "AND (starts_at IS NULL OR starts_at <= ?) "
    "AND NOT EXISTS (SELECT 1 FROM assignments a WHERE a.tester_id = ? AND a.job_id = jobs.job_id) "
    "ORDER BY position DESC"
)


def _created(row: Row) -> Created:
    """The event that a job began with, which has its terms; it is joined to the row as it was stored."""
    return event_in(row["state"], Created)


def detail_pieces(
    reader: Reader, row: Row, created: Created, timed_out: bool | None, opens: views.Opens
) -> Iterator[bytes]:
    """A job's detail in pieces of JSON."""
    waited = "" if timed_out is None else f',"timedOut":{"true" if timed_out else "false"}'
    yield f'{views.job_detail_head(row, created)}{waited},"variants":['.encode()
    job_id = row["job_id"]
    counts = _counts(reader, job_id) if row["assignments"] else {}
    opening = b""
    for variant_id, head in views.variant_heads(row, created.terms, counts):
        yield opening + head + b',"completedAssignments":['
        if row["completed"]:
            rows = _completed(reader, job_id, variant_id)
            yield from views.assignment_pieces(rows, row["settlement_status"], opens)
        yield b"]}"
        opening = b","
    yield b"]}"


def _counts(reader: Reader, job_id: str) -> Mapping[str, tuple[int, int]]:
    rows = reader.rows(
        "SELECT variant_id, count(*), count(CASE WHEN status = 'completed' THEN 1 END) FROM assignments "
        "WHERE job_id = ? AND status IN ('pending', 'started', 'completed') GROUP BY variant_id",
        (job_id,),
    )
    return {variant: (taken, completed) for variant, taken, completed in rows}


def _completed(reader: Reader, job_id: str, variant_id: str) -> Iterator[Sequence[Row]]:
    after = 0
    while True:
        page = reader.rows(
            "SELECT * FROM assignments WHERE job_id = ? AND variant_id = ? AND status = 'completed' AND position > ? "
            "ORDER BY position LIMIT ?",
            (job_id, variant_id, after, PAGE),
        )
        if page:
            yield page
        if len(page) < PAGE:
            return
        after = page[-1]["position"]


def _begun(parts: Iterator[Any]) -> tuple[int, Iterator[bytes]]:
    """The version that comes first, and the pieces that follow."""
    return next(parts), parts


def _or_last(position: int | None) -> int:
    return 2**63 - 1 if position is None else position


def sifted(
    reader: Reader,
    among: str,
    params: Sequence[Any],
    key: str,
    wanted: Sequence[tuple[str, Any]],
    limit: int,
    *,
    newest_first: bool = False,
) -> tuple[Sequence[Any], int | None]:
    """A page of the rows ``among`` which it is searched, and the key to go on behind, null at the end.

    For what is ``wanted`` of them besides there is no index: so many are looked at for a page, which may be short, even
    empty, and yet not the last.
    """
    order, within = (f"{key} DESC", f"{key} >= ?") if newest_first else (key, f"{key} <= ?")
    reached, conditions = None, list(wanted)
    if wanted:
        # Asked first: rows that come meanwhile are then looked at, or lie behind it.
        reached = first(
            reader.rows(f"SELECT {key} FROM {among} ORDER BY {order} LIMIT 1 OFFSET ?", (*params, MAX_LOOKED_AT - 1))
        )
        conditions += [] if reached is None else [(within, reached[0])]
    where = "".join(f" AND {condition}" for condition, _ in conditions)
    rows = reader.rows(
        f"SELECT * FROM {among}{where} ORDER BY {order} LIMIT ?",
        (*params, *(value for _, value in conditions), limit + 1),
    )
    if len(rows) > limit:
        return rows[:limit], rows[limit - 1][key]
    return rows, reached and reached[0]


def _page(rows: Sequence[Any], limit: int, key: str, view: Any) -> Page:
    """At most ``limit`` items, and the key of the last one where more follow."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page([view(row) for row in shown], shown[-1][key] if more else None)
