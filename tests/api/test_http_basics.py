"""What holds for every path: the tree under /api, methods, ids of requests, positions."""

import httpx2
import pytest

from tests.api.server import ANSWERS, Client, Platform, a_job, done, raw, refused, wrong_fields


def test_the_same_tree_answers_under_api(owner: Client, tester: Client) -> None:
    created = owner.post("/api/jobs", a_job())
    job_id = done(created, 201)["id"]
    assert created.headers["location"] == f"/jobs/{job_id}"
    assert owner.get(f"/api/jobs/{job_id}").json() == owner.get(f"/jobs/{job_id}").json()
    assert done(owner.post(f"/api/owner/jobs/{job_id}/pause"))["status"] == "paused"
    assert done(tester.get("/api/tester/wallet")) == done(tester.get("/tester/wallet"))


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/", "/api/api/jobs", "/job", "/jobs/", "//jobs", "/jobs/{}", "/jobs/%7B%7D/x"]
)
def test_there_is_nothing_at_other_paths(owner: Client, path: str) -> None:
    refused(owner.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/jobs", "GET, HEAD, POST"),
        ("POST", "/jobs/01890a5d-ac96-774b-bcce-b302099a8057", "GET, HEAD"),
        ("GET", "/owner/jobs/01890a5d-ac96-774b-bcce-b302099a8057/pause", "POST"),
        ("HEAD", "/owner/jobs/01890a5d-ac96-774b-bcce-b302099a8057/pause", "POST"),
        ("GET", "/operator/keys/01890a5d-ac96-774b-bcce-b302099a8057", "DELETE"),
        ("OPTIONS", "/api/owner/billing", "GET, HEAD"),
        ("PATCH", "/healthz", "GET, HEAD"),
    ],
)
def test_a_path_names_the_methods_that_it_takes(platform: Platform, method: str, path: str, allowed: str) -> None:
    response = platform.http.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    if method != "HEAD":
        refused(response, 405, "method_not_allowed")


def test_head_is_get_without_the_body(owner: Client) -> None:
    job_id = owner.post_job()
    for path in ("/jobs", f"/jobs/{job_id}", "/owner/billing", "/healthz", "/openapi.json"):
        got, head = owner.get(path), owner.ask("HEAD", path)
        assert head.status_code == 200
        assert head.content == b""
        told = {name: value for name, value in got.headers.items() if name not in ("x-request-id", "date")}
        assert {name: head.headers[name] for name in told} == told
    missing = owner.ask("HEAD", "/jobs/01890a5d-ac96-774b-bcce-b302099a8057")
    assert (missing.status_code, missing.content) == (404, b"")


def test_health_needs_no_key(platform: Platform) -> None:
    assert platform.http.get("/healthz").json() == {"status": "ok"}
    assert platform.http.get("/readyz").json() == {"status": "ready"}


def test_a_caller_may_name_its_request(owner: Client, platform: Platform) -> None:
    for path in ("/jobs", "/nothing", "/healthz"):
        assert owner.get(path, headers={"x-request-id": "trace-1:a/b"}).headers["x-request-id"] == "trace-1:a/b"
    assert platform.http.get("/jobs", headers={"x-request-id": "mine"}).json()["requestId"] == "mine"


@pytest.mark.parametrize("strange", ["", "with space", "x" * 129, 'quo"te'])
def test_a_strange_name_of_a_request_is_replaced(owner: Client, strange: str) -> None:
    given = owner.get("/jobs", headers={"x-request-id": strange}).headers["x-request-id"]
    assert given != strange
    assert len(given) == 32


def test_no_two_requests_get_the_same_name(owner: Client) -> None:
    assert len({owner.get("/jobs").headers["x-request-id"] for _ in range(20)}) == 20


def test_the_position_grows_with_what_is_written_and_with_nothing_else(owner: Client) -> None:
    before = owner.position()
    assert owner.position() == before
    created = owner.post("/jobs", a_job())
    assert int(created.headers["tallyhold-position"]) == before + 2  # the job, and the credits that it holds
    assert owner.position() == before + 2


def test_a_read_shows_every_command_that_was_acknowledged_before(platform: Platform, owner: Client) -> None:
    """Whoever is told of a position finds it, on whatever connection."""
    with httpx2.Client(base_url=platform.url, trust_env=False) as another:
        reader = Client(another, owner.role, owner.key, owner.key_id, owner.id, None)
        for _ in range(10):
            created = owner.post("/jobs", a_job(1))
            seen = reader.get("/jobs", limit=1)
            assert seen.json()["data"][0]["id"] == created.json()["id"]
            assert int(seen.headers["tallyhold-position"]) >= int(created.headers["tallyhold-position"])


def test_answers_are_not_to_be_kept_by_anybody_between(owner: Client) -> None:
    assert owner.get("/owner/billing").headers["cache-control"] == "no-store"


def test_times_are_utc_and_the_answer_shows_every_field(owner: Client, tester: Client) -> None:
    job_id = owner.post_job(1)
    assignment_id = tester.start(job_id)
    view = done(tester.post(f"/tester/assignments/{assignment_id}/submit", ANSWERS))
    for instant in (view["startedAt"], view["completedAt"], view["reservedUntil"], owner.job(job_id)["createdAt"]):
        assert instant.endswith("Z")
    detail = owner.job(job_id)
    for empty in ("description", "projectId", "startsAt", "taskPaidTimeLimitMinutes", "proofOfCompletion"):
        assert detail[empty] is None


@pytest.mark.parametrize(
    "request_bytes",
    [
        "GET /jobs/ü HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        b"FOO /jobs HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /jobs HTTP/1.1\r\nHo st: x\r\n\r\n",
        b"hello\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_problem_too(platform: Platform, request_bytes: bytes) -> None:
    response = raw(platform.url, request_bytes)
    assert wrong_fields(response) == [""]
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["date"]


@pytest.mark.parametrize(
    "host", ["", "Host: x\r\nHost: x\r\n", "Host: x y\r\n", "Host: x/healthz\r\n", "Host: me@x\r\n"]
)
def test_a_request_names_its_host_once(platform: Platform, host: str) -> None:
    response = raw(platform.url, f"GET /healthz HTTP/1.1\r\n{host}Connection: close\r\n\r\n".encode())
    assert wrong_fields(response) == ["Host"]


@pytest.mark.parametrize(
    ("version", "host"),
    [("1.1", "Host:\r\n"), ("1.1", "Host: [::1]:8000\r\n"), ("1.1", "Host: a-b.example:80\r\n"), ("1.0", "")],
)
def test_any_host_will_do(platform: Platform, version: str, host: str) -> None:
    done(raw(platform.url, f"GET /healthz HTTP/{version}\r\n{host}Connection: close\r\n\r\n".encode()))
