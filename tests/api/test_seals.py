"""Personal text: sealed in everything that is kept, and gone for ever with the key."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.service.ports import StoreBusy, StoreFailed
from api.service.seals import MasterKey, Seals, WrongMasterKey
from api.store.databases import SQLiteDatabase
from api.store.rebuild import rebuild
from api.store.sealing_keys import (
    SealingKeysFile,
    StoredKeys,
    make_master_key,
    open_seals,
    read_master_key,
)
from domain.errors import InvariantBroken
from domain.sealed import SealedText
from tests.api.server import ANSWERS, Client, Json, Platform, a_job, done, refused, serving
from tests.local import MASTER_KEY, Where, database, execute, opened, query, stored_bytes, tables, url_of
from tests.program import as_json, failed, tallyhold
from tests.simulation.books import File

ANN, BEN = uuid4(), uuid4()
PAUSE_SECONDS = 0.3
MANY = 1_000
"""Keys are more than a page of the file has room for."""
OFTEN = 10
"""After so many times a statement is prepared."""


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[SealingKeysFile]:
    made = SealingKeysFile(tmp_path / "keys")
    yield made
    made.close()


@pytest.fixture
def seals(keys: SealingKeysFile) -> Seals:
    return seals_over(keys)


def seals_over(keys: StoredKeys) -> Seals:
    """With the master key that the store belongs to from now on."""
    keys.claim(MASTER_KEY.name)
    return Seals(keys, MASTER_KEY)


@given(text=st.text())
def test_what_was_sealed_is_opened(text: str) -> None:
    kept = _InMemory()
    seals = Seals(kept, MasterKey.new())
    sealed = seals.seal(ANN, "place", text)
    assert sealed is not None
    assert seals.open(ANN, "place", sealed) == text
    assert seals.seal(ANN, "place", text) != sealed


class _InMemory:
    """Keys that no disk keeps."""

    def __init__(self) -> None:
        self.kept: dict[UUID, tuple[bytes | None, str]] = {}

    def wrapped(self, person_id: UUID) -> bytes | None:
        return self.kept.get(person_id, (None, ""))[0]

    def is_destroyed(self, person_id: UUID) -> bool:
        return self.kept.get(person_id, (b"", ""))[0] is None

    def add(self, person_id: UUID, wrapped: bytes, master: str) -> None:
        self.kept.setdefault(person_id, (wrapped, master))

    def rewrap(self, change: Any, master: str) -> int:
        raise NotImplementedError

    def destroy(self, person_id: UUID) -> None:
        self.kept[person_id] = (None, "")

    def masters(self) -> frozenset[str]:
        return frozenset(master for wrapped, master in self.kept.values() if wrapped)


@pytest.mark.parametrize(("person", "place"), [(BEN, "place"), (ANN, "elsewhere")])
def test_a_text_passes_for_no_other_ones(seals: Seals, person: UUID, place: str) -> None:
    sealed = seals.seal(ANN, "place", "mine")
    assert sealed is not None and seals.make_key(BEN)
    with pytest.raises(InvariantBroken):
        seals.open(person, place, sealed)


def test_a_text_that_was_changed_is_told(seals: Seals) -> None:
    sealed = seals.seal(ANN, "place", "mine")
    assert sealed is not None
    for changed in (sealed[:-4] + "AAA=", sealed[:8], "", "%"):
        with pytest.raises(InvariantBroken):
            seals.open(ANN, "place", SealedText(changed))


def test_a_key_that_was_destroyed_is_never_made_again(seals: Seals, keys: SealingKeysFile) -> None:
    sealed = seals.seal(ANN, "place", "mine")
    assert sealed is not None
    seals.destroy(ANN)
    assert seals.open(ANN, "place", sealed) is None
    assert seals.seal(ANN, "place", "more") is None
    assert not seals.make_key(ANN)
    assert keys.wrapped(ANN) is None


def test_a_key_that_another_process_destroyed_is_forgotten(seals: Seals, keys: SealingKeysFile) -> None:
    sealed = seals.seal(ANN, "place", "mine")
    assert sealed is not None
    keys.destroy(ANN)
    seals.forget_cached()
    assert seals.open(ANN, "place", sealed) is None


def test_a_destroyed_key_is_in_no_byte_of_its_file(tmp_path: Path) -> None:
    keys = SealingKeysFile(tmp_path / "keys")
    seals = seals_over(keys)
    assert seals.make_key(ANN) and seals.make_key(BEN)
    wrapped = keys.wrapped(ANN)
    assert wrapped is not None and wrapped in (tmp_path / "keys").read_bytes()
    seals.destroy(ANN)
    keys.close()
    assert not any(wrapped in file.read_bytes() for file in tmp_path.iterdir())


def test_a_destroyed_key_is_in_no_byte_of_its_table_whoever_still_looks_at_the_database(postgres_url: str) -> None:
    def heap() -> bytes:
        execute(postgres_url, "CHECKPOINT")
        ((content,),) = query(postgres_url, "SELECT pg_read_binary_file(pg_relation_filepath('tallyhold_keys.keys'))")
        return bytes(content)

    with closing(database(postgres_url).sealing_keys()) as keys, opened(postgres_url) as looking:
        seals = seals_over(keys)
        assert seals.make_key(ANN) and seals.make_key(BEN)
        ann, ben = keys.wrapped(ANN), keys.wrapped(BEN)
        assert ann is not None and ben is not None and ann in heap()
        looking.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        looking.execute("SELECT count(*) FROM pg_class")
        seals.destroy(ANN)
        written = heap()
        assert ben in written and ann not in written
        assert keys.wrapped(BEN) == ben


def test_who_reads_keys_meets_nothing_odd_when_one_is_destroyed(two: tuple[StoredKeys, StoredKeys]) -> None:
    serving, forgetting = two
    seals = seals_over(serving)
    assert seals.make_key(ANN) and seals.make_key(BEN)
    for _ in range(OFTEN):
        assert serving.wrapped(ANN) and serving.wrapped(BEN)
    forgetting.destroy(ANN)
    assert serving.wrapped(ANN) is None
    assert serving.wrapped(BEN)


def test_another_master_key_opens_what_was_wrapped_anew(seals: Seals, keys: SealingKeysFile) -> None:
    sealed = seals.seal(ANN, "place", "mine")
    assert sealed is not None
    seals.make_key(BEN)
    seals.destroy(BEN)
    new = MasterKey.new()
    assert seals.rewrap(new) == 1
    assert keys.masters() == {new.name}
    assert Seals(keys, new).open(ANN, "place", sealed) == "mine"


def test_a_fingerprint_tells_nothing_without_the_master_key() -> None:
    old, new = MasterKey(bytes(32)), MasterKey.new()
    assert old.fingerprint(b"4 stars") == MasterKey(bytes(32)).fingerprint(b"4 stars") != old.fingerprint(b"5 stars")
    assert old.fingerprint(b"4 stars") != new.fingerprint(b"4 stars")


def test_a_rotation_with_the_wrong_key_changes_nothing(seals: Seals, keys: SealingKeysFile) -> None:
    seals.make_key(ANN)
    before = keys.wrapped(ANN)
    with pytest.raises(WrongMasterKey):
        Seals(keys, MasterKey.new()).rewrap(MasterKey.new())
    assert keys.wrapped(ANN) == before


@pytest.fixture
def two(where: Where) -> Iterator[tuple[StoredKeys, StoredKeys]]:
    """One store of keys, opened by two processes."""
    with closing(database(where).sealing_keys()) as one, closing(database(where).sealing_keys()) as other:
        yield one, other


def test_who_has_the_old_master_key_adds_no_key_after_a_rotation(two: tuple[StoredKeys, StoredKeys]) -> None:
    serving, rotating = two
    seals, new = seals_over(serving), MasterKey.new()
    assert seals.make_key(ANN) and seals.make_key(ANN)
    Seals(rotating, MASTER_KEY).rewrap(new)
    with pytest.raises(WrongMasterKey, match="another one"):
        seals.make_key(BEN)
    assert rotating.masters() == {new.name}
    assert Seals(rotating, new).make_key(BEN)


def test_a_key_that_is_added_in_the_middle_of_a_rotation_is_wrapped_with_the_new_master_key_or_not_at_all(
    two: tuple[StoredKeys, StoredKeys],
) -> None:
    serving, rotating = two
    seals, new = seals_over(serving), MasterKey.new()
    seals.make_key(ANN)
    with ThreadPoolExecutor(1) as threads:
        adding: list[Future[bool]] = []

        def change(person_id: UUID, wrapped: bytes) -> bytes:
            adding.append(threads.submit(seals.make_key, BEN))
            wait(adding, PAUSE_SECONDS)
            return new.wrap(MASTER_KEY.unwrap(person_id, wrapped))

        rotating.rewrap(change, new.name)
        with pytest.raises(WrongMasterKey):
            adding[0].result()
    assert rotating.masters() == {new.name}


def test_who_is_forgotten_in_the_middle_of_a_rotation_stays_so(two: tuple[StoredKeys, StoredKeys]) -> None:
    serving, rotating = two
    seals, new = seals_over(serving), MasterKey.new()
    seals.make_key(ANN)
    with ThreadPoolExecutor(1) as threads:

        def change(person_id: UUID, wrapped: bytes) -> bytes:
            wait([threads.submit(serving.destroy, ANN)], PAUSE_SECONDS)
            return new.wrap(MASTER_KEY.unwrap(person_id, wrapped))

        rotating.rewrap(change, new.name)
    assert rotating.is_destroyed(ANN)


def test_a_full_disk_and_one_who_keeps_everybody_waiting_are_told_as_they_are_of_the_log(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with closing(SealingKeysFile(path)) as keys, closing(sqlite3.connect(path, isolation_level=None)) as other:
        seals = seals_over(keys)
        keys._connection.execute("PRAGMA busy_timeout = 10")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreBusy, match="locked"):
            seals.make_key(ANN)
        other.execute("ROLLBACK")
        keys._connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StoreFailed, match="full"):
            for _ in range(MANY):
                seals.make_key(uuid4())
        with pytest.raises(StoreFailed, match="full"):
            keys.rewrap(lambda _, wrapped: MANY * wrapped, "another")
        assert keys.masters() == {MASTER_KEY.name}


def test_the_master_key_lies_in_a_file_for_nobody_else(tmp_path: Path, keys: SealingKeysFile) -> None:
    file = tmp_path / "master"
    open_seals(keys, file, is_new=True).make_key(ANN)
    assert file.stat().st_mode & 0o777 == 0o600
    assert keys.masters() == {read_master_key(file).name}
    other = tmp_path / "other"
    make_master_key(other)
    with pytest.raises(WrongMasterKey, match="were wrapped with"):
        open_seals(keys, other, is_new=False)
    with pytest.raises(WrongMasterKey, match="cannot be read"):
        open_seals(keys, tmp_path / "absent", is_new=False)
    other.write_text("sesame")
    with pytest.raises(WrongMasterKey, match="64 hexadecimal digits"):
        open_seals(keys, other, is_new=False)


def test_the_master_key_is_not_changed_beside_a_server(where: Where, tmp_path: Path) -> None:
    new = tmp_path / "new"
    rotate = ("rotate-master-key", "--new", str(new), "--db", url_of(where))
    with serving(tmp_path, where):
        failed(tallyhold(*rotate), 1, "served")
        assert not new.exists()
    assert tallyhold(*rotate).returncode == 0


# -- in the platform ---------------------------------------------------------------------------------------------------

OPINION, COMPLAINT, STATED, NOTE, ISSUE, KEPT = SECRETS = (
    "pistachio",
    "marzipan",
    "gianduja",
    "nougat",
    "liquorice",
    "praline",
)


class Told(NamedTuple):
    """Ann and Ben did a job; its owner complained of both and of the platform; Ann's case is decided."""

    platform: Platform
    owner: Client
    ann: Client
    ben: Client
    job_id: str

    def answers(self) -> list[Any]:
        (variant,) = self.owner.job(self.job_id)["variants"]
        return [each["feedbackData"]["answers"] for each in variant["completedAssignments"]]

    def dispute(self) -> Json:
        disputes = done(self.platform.operator.get("/operator/disputes"))["data"]
        (dispute,) = [one for one in disputes if one["jobId"] == self.job_id]
        shown: Json = dispute
        return shown

    def file(self) -> list[Json]:
        """The disputed work, as the operator reads it."""
        shown = done(self.platform.operator.get(f"/operator/jobs/{self.job_id}/dispute"))
        work: list[Json] = shown["assignments"]["data"]
        return work

    def forget(self, tester: Client) -> Json:
        return as_json(self.platform.folder, "forget", "--tester", str(tester.public_id), "--db", self.platform.db)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("told")
    with serving(folder, folder / "tallyhold.sqlite") as platform:
        yield platform


@pytest.fixture
def told(server: Platform) -> Told:
    """Of people of the test's own."""
    owner, ann, ben = server.owner(), server.tester(), server.tester()
    why = {"id": "why", "questionMarkdown": "Why?", "inputType": "text", "required": False}
    variant = a_job(2)["variants"][0]
    job_id = owner.post_job(2, variants=[{**variant, "feedbackQuestions": [*variant["feedbackQuestions"], why]}])
    for tester, opinion in ((ann, OPINION), (ben, KEPT)):
        assignment = tester.start(job_id)
        answers = {"rating": 4, "why": opinion}
        done(tester.post(f"/tester/assignments/{assignment}/submit", {"answers": answers}))
    claims = [
        {"testerUserId": ann.id, "category": "off_topic", "description": COMPLAINT},
        {"testerUserId": ben.public_id, "category": "off_topic"},
    ]
    asked = {"platformIssue": True, "platformIssueDescription": ISSUE, "testers": claims}
    done(owner.post(f"/owner/jobs/{job_id}/dispute", asked))
    told = Told(server, owner, ann, ben, job_id)
    first = told.dispute()["assignments"][0]
    done(ann.post(f"/tester/assignments/{first['assignmentId']}/statement", {"text": STATED}))
    verdict = {"assignmentId": first["assignmentId"], "payoutCents": 100, "note": NOTE}
    done(server.operator.post(f"/operator/jobs/{job_id}/resolve", {"resolutions": [verdict]}))
    return told


def test_what_people_write_is_shown_and_lies_nowhere_in_the_clear(told: Told) -> None:
    assert told.answers() == [{"rating": 4, "why": OPINION}, {"rating": 4, "why": KEPT}]
    shown = told.dispute()
    assert shown["platformIssueDescription"] == ISSUE
    assert [each["description"] for each in shown["assignments"]] == [COMPLAINT, None]
    ann = told.file()[0]
    assert (ann["statements"][0]["text"], ann["verdict"]["note"]) == (STATED, NOTE)
    (mine,) = done(told.ann.get("/tester/assignments"))["data"]
    assert mine["dispute"]["description"] == COMPLAINT
    kept = stored_bytes(told.platform.where)
    assert not [secret for secret in SECRETS if secret.encode() in kept]


def test_a_forgotten_testers_words_are_gone_and_all_else_is_as_it_was(told: Told) -> None:
    told.answers()  # the running server has the words in memory
    wallets = [done(who.get("/tester/wallet")) for who in (told.ann, told.ben)]
    tree = query(told.platform.folder / "tallyhold.sqlite", "SELECT count(*), sum(length(state)) FROM stored_events")
    forgotten = told.forget(told.ann)
    assert (forgotten["principalId"], forgotten["role"]) == (told.ann.id, "tester")
    assert told.answers() == [None, {"rating": 4, "why": KEPT}]
    shown = told.dispute()
    assert (shown["platformIssueDescription"], shown["assignments"][0]["description"]) == (ISSUE, None)
    ann = told.file()[0]
    assert (ann["description"], ann["feedbackData"]["answers"], ann["verdict"]["note"]) == (None, None, None)
    assert [(each["number"], each["text"]) for each in ann["statements"]] == [(1, None)]
    verdicts = done(told.platform.operator.get("/operator/verdicts", testerUserId=told.ann.id))["data"]
    assert [each["note"] for each in verdicts] == [None]
    assert [done(who.get("/tester/wallet")) for who in (told.ann, told.ben)] == wallets
    assert wallets[0]["payableCents"] == 100
    done(told.ann.post("/tester/wallet/withdrawals", {"amountCents": 100}), 201)
    ((events, size),) = tree
    path = told.platform.folder / "tallyhold.sqlite"
    assert query(path, "SELECT count(*), sum(length(state)) FROM stored_events WHERE position <= ?", events) == tree
    assert size > 0
    told.forget(told.ann)  # asked again: recorded once
    named = query(path, "SELECT count(*) FROM stored_events WHERE topic = 'access.forgotten' AND position > ?", events)
    assert named == [(1,)]


def test_a_key_that_is_damaged_is_named_and_takes_only_what_it_opens(where: Where, tmp_path: Path) -> None:
    db, new = url_of(where), str(tmp_path / "new")
    with serving(tmp_path, where) as platform:
        owner, ann, ben = platform.owner(), platform.tester(), platform.tester()
        of_ann, of_ben = owner.post_job(1), owner.post_job(1)
        ann.complete(of_ann)
        ben.complete(of_ben)
        assert tallyhold("verify", "--db", db).returncode == 0
        damage_key(where, ann.id)
        named = f"key of person {ann.id}"
        platform.tester()  # keys in memory are as before; whatever happens to a principal, they are read again
        problem = refused(owner.get(f"/jobs/{of_ann}"), 503, "unavailable")
        assert named in problem["detail"] and "run tallyhold verify" in problem["detail"]
        refused(platform.operator.get("/audit/events", limit=50), 503, "unavailable")
        assert owner.job(of_ben)["status"] == "completed"
    failed(tallyhold("verify", "--db", db), 1, named)
    failed(tallyhold("rotate-master-key", "--new", new, "--db", db), 1, named)


def keys_of(path: Path) -> Path:
    """The file of keys beside a database."""
    return path.with_name(path.name + ".keys")


def damage_key(where: Where, person_id: str) -> None:
    place, table = (where, "tallyhold_keys.keys") if isinstance(where, str) else (keys_of(where), "keys")
    execute(place, f"UPDATE {table} SET wrapped = ? WHERE person_id = ?", bytes(40), person_id)


def test_history_of_the_forgotten_is_still_replayed(told: Told) -> None:
    told.forget(told.ann)
    path = told.platform.folder / "tallyhold.sqlite"
    before = tables(path)
    File(path).check()
    rebuild(SQLiteDatabase(path), lambda done, total: None)
    assert tables(path) == before


def offered_to(tester: Client) -> list[str]:
    return [each["id"] for each in done(tester.get("/tester/jobs"))["data"]]


def test_nobody_writes_about_the_forgotten(told: Told) -> None:
    job_id = told.owner.post_job(2)
    assignment = told.ann.start(job_id)
    other = told.owner.post_job(1)
    assert other in offered_to(told.ann)
    told.forget(told.ann)
    assert (offered_to(told.ann), other in offered_to(told.ben)) == ([], True)
    rehearsals: tuple[Json, ...] = ({}, {"dryRun": "true"})
    for rehearsal in rehearsals:
        submitted = told.ann.post(f"/tester/assignments/{assignment}/submit", ANSWERS, **rehearsal)
        refused(submitted, 403, "forbidden")
        refused(told.ann.post(f"/tester/jobs/{other}/assignments", **rehearsal), 403, "forbidden")


def test_the_forgotten_state_nothing(told: Told) -> None:
    (_, other) = told.file()
    told.forget(told.ben)
    path = f"/tester/assignments/{other['assignmentId']}/statement"
    refused(told.ben.post(path, {"text": STATED}), 403, "forbidden")


def test_what_is_said_of_the_forgotten_is_not_recorded(told: Told) -> None:
    job_id = told.owner.post_job(1)
    told.ann.complete(job_id)
    told.forget(told.ann)
    claim = {"testerUserId": told.ann.id, "category": "off_topic", "description": COMPLAINT}
    done(told.owner.post(f"/owner/jobs/{job_id}/dispute", {"testers": [claim]}))
    shown = done(told.platform.operator.get("/operator/disputes"))["data"]
    assert [each["description"] for one in shown if one["jobId"] == job_id for each in one["assignments"]] == [None]


def test_a_dry_run_makes_no_key_and_shows_the_words_to_who_wrote_them(told: Told) -> None:
    job_id, tester = told.owner.post_job(1), told.platform.tester()
    keys = told.platform.folder / "tallyhold.sqlite.keys"
    before = query(keys, "SELECT count(*) FROM keys")
    done(tester.post(f"/tester/jobs/{job_id}/assignments", dryRun="true"))
    assert query(keys, "SELECT count(*) FROM keys") == before
    assignment = tester.start(job_id)
    rehearsed = done(tester.post(f"/tester/assignments/{assignment}/submit", ANSWERS, dryRun="true"))
    (completed, *_) = rehearsed["events"]
    assert completed["answers"] == ANSWERS["answers"]


def test_the_audit_trail_shows_the_words_until_they_are_erased(told: Told) -> None:
    def trail() -> str:
        return told.owner.get(f"/jobs/{told.job_id}/events", limit=50).text

    assert not [secret for secret in SECRETS if secret not in trail()]
    told.forget(told.ann)
    assert [secret for secret in SECRETS if secret in trail()] == [ISSUE, KEPT]


def test_an_entry_is_explained_with_the_words_until_they_are_erased(told: Told) -> None:
    (paid,) = done(told.owner.get("/owner/ledger", type="settlement_payout"))["data"]

    def note() -> Any:
        command = done(told.owner.get(f"/owner/ledger/{paid['id']}/explain"))["command"]
        (verdict,) = command["payload"]["verdicts"]
        return verdict["note"]

    assert note() == NOTE
    told.forget(told.ann)
    assert note() is None


def test_of_many_who_make_a_master_key_at_once_all_read_the_same_whole_one(tmp_path: Path) -> None:
    file = tmp_path / "master"

    def make(_: int) -> str:
        make_master_key(file)
        return read_master_key(file).name

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(make, range(64)))) == 1
    assert list(tmp_path.iterdir()) == [file]
