"""Who may ask for what: keys, roles, and whose things are whose."""

from uuid import uuid4

import pytest

from api.http.route import Route
from api.http.routes import ROUTES
from domain.access.events import Role
from tests.api.server import Client, Platform, a_job, client, done, refused, wrong_fields
from tests.local import stored_bytes, url_of
from tests.program import as_json, create_key

KEYED = [route for route in ROUTES if route.roles]


@pytest.fixture(scope="module")
def everybody(platform: Platform) -> dict[Role, Client]:
    return {role: platform.somebody(role) for role in Role}


def path_of(route: Route) -> str:
    return route.path.replace("{id}", str(uuid4()))


@pytest.mark.parametrize("route", KEYED, ids=lambda route: route.name)
def test_nobody_acts_for_another_role(everybody: dict[Role, Client], route: Route) -> None:
    for role, who in everybody.items():
        if role not in route.roles:
            problem = refused(who.ask(route.method, path_of(route)), 403, "forbidden")
            assert role in problem["detail"]


def test_each_role_has_its_own_paths() -> None:
    roles = {"jobs": Role.OWNER, "owner": Role.OWNER, "projects": Role.OWNER, "events": Role.OWNER}
    roles |= {"tester": Role.TESTER, "operator": Role.OPERATOR, "sandbox": Role.OPERATOR}
    for route in KEYED:
        expected = (Role.AUDITOR, Role.OPERATOR) if route.steps[0] == "audit" else (roles[route.steps[0]],)
        assert set(route.roles) == set(expected), route.path


@pytest.mark.parametrize("route", KEYED, ids=lambda route: route.name)
def test_nothing_is_told_without_a_key(platform: Platform, route: Route) -> None:
    response = platform.http.request(route.method, path_of(route))
    refused(response, 401, "not_authenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "Bearer",
        "Bearer th_",
        "Bearer th_" + "0" * 32,
        "Bearer TH_" + "0" * 32,
        "Basic b3duZXI6c2VjcmV0",
        "th_" + "0" * 32,
        b"Bearer th_\xff" + b"0" * 31,
        "Bearer " + "x" * 5_000,
    ],
)
def test_an_unknown_key_is_none(platform: Platform, shown: str | bytes) -> None:
    header = shown if isinstance(shown, bytes) else shown.encode()
    refused(platform.http.get("/jobs", headers={b"authorization": header}), 401, "not_authenticated")


def test_the_scheme_is_read_without_regard_to_case(owner: Client) -> None:
    for scheme in ("bearer", "BEARER", "Bearer "):
        done(owner.get("/jobs", headers={"authorization": f"{scheme} {owner.key}"}))


def test_part_of_a_key_is_no_key(owner: Client) -> None:
    for key in (owner.key[:-1], owner.key + "0", owner.key.swapcase()):
        refused(owner.get("/jobs", headers={"authorization": f"Bearer {key}"}), 401, "not_authenticated")


def test_a_revoked_key_is_worthless_at_once_and_for_ever(platform: Platform, operator: Client, owner: Client) -> None:
    done(owner.get("/jobs"))
    assert done(operator.ask("DELETE", f"/operator/keys/{owner.key_id}")) == {"keyId": owner.key_id, "revoked": True}
    refused(owner.post("/jobs", a_job()), 401, "not_authenticated")
    refused(owner.get("/jobs"), 401, "not_authenticated")
    assert done(operator.ask("DELETE", f"/operator/keys/{owner.key_id}"))["revoked"] is True
    item = next(k for k in done(operator.get("/operator/keys", limit=50))["data"] if k["keyId"] == owner.key_id)
    assert item["revokedAt"] is not None
    again = client(platform.http, done(operator.post("/operator/keys", {"principalId": owner.id}), 201))
    done(again.get("/jobs"))


def test_other_keys_of_the_same_principal_live_on(platform: Platform, operator: Client, owner: Client) -> None:
    job_id = owner.post_job()
    another = client(platform.http, done(operator.post("/operator/keys", {"principalId": owner.id}), 201))
    assert another.id == owner.id
    done(operator.ask("DELETE", f"/operator/keys/{owner.key_id}"))
    assert another.job(job_id)["id"] == job_id


def test_the_command_line_makes_and_revokes_keys_beside_the_running_server(platform: Platform) -> None:
    folder, db = platform.folder, url_of(platform.where)
    made = create_key(folder, db, "tester", "Terence")
    assert set(made) == {"keyId", "key", "role", "name", "principalId", "publicId"}
    assert made["key"].startswith("th_")
    tester = client(platform.http, made)
    done(tester.get("/tester/wallet"))
    again = create_key(folder, db, "tester", "Terence")
    assert (again["principalId"], again["publicId"]) == (made["principalId"], made["publicId"])
    assert again["key"] != made["key"]
    assert isinstance(made["publicId"], int)
    as_json(folder, "keys", "revoke", made["keyId"], "--db", db)
    refused(tester.post(f"/tester/jobs/{uuid4()}/assignments"), 401, "not_authenticated")
    refused(tester.get("/tester/wallet"), 401, "not_authenticated")
    done(client(platform.http, again).get("/tester/wallet"))


def test_the_same_role_and_name_is_the_same_principal(operator: Client) -> None:
    asked = {"role": "tester", "name": f"Tess {uuid4()}"}
    made = done(operator.post("/operator/principals", asked), 201)
    assert isinstance(made["publicId"], int)
    assert done(operator.post("/operator/principals", asked)) == made
    other = done(operator.post("/operator/principals", {**asked, "role": "owner"}), 201)
    assert other["publicId"] is None
    assert other["principalId"] != made["principalId"]


@pytest.mark.parametrize("name", ["", " ", "\u00a0\t", "\u001c", " \u001f\n"])
def test_a_name_of_blanks_is_none(operator: Client, name: str) -> None:
    assert wrong_fields(operator.post("/operator/principals", {"role": "tester", "name": name})) == ["/name"]


def test_blanks_around_a_name_do_not_make_another_principal(platform: Platform, operator: Client) -> None:
    name = f"Olive {uuid4()}"
    made = create_key(platform.folder, url_of(platform.where), "owner", f" {name} ")
    found = done(operator.post("/operator/principals", {"role": "owner", "name": f"{name}\n"}))
    assert (found["principalId"], found["name"]) == (made["principalId"], name)


def test_a_key_is_for_a_principal_that_there_is(operator: Client) -> None:
    for principal_id in (str(uuid4()), "nobody", 1, None):
        assert wrong_fields(operator.post("/operator/keys", {"principalId": principal_id})) == ["/principalId"]


def test_keys_are_hashed_at_rest(platform: Platform, owner: Client) -> None:
    written = stored_bytes(platform.where)
    assert owner.key_id.encode() in written
    assert owner.key.encode() not in written
    assert owner.key[3:].encode() not in written


def test_a_thing_of_somebody_else_is_told_from_no_thing(platform: Platform, owner: Client, tester: Client) -> None:
    other, job_id = platform.owner(), owner.post_job(1)
    assignment = tester.take(job_id)
    other_tester = platform.tester()
    for who, method, path in (
        (other, "GET", "/jobs/{}"),
        (other, "GET", "/jobs/{}/wait"),
        (other, "POST", "/owner/jobs/{}/cancel"),
    ):
        refused(who.ask(method, path.format(job_id)), 403, "forbidden")
        refused(who.ask(method, path.format(uuid4())), 404, "not_found")
        refused(who.ask(method, path.format(assignment)), 404, "not_found")
    for method, verb in (("GET", ""), ("POST", "/start"), ("POST", "/return"), ("POST", "/submit")):
        refused(other_tester.ask(method, f"/tester/assignments/{assignment}{verb}"), 403, "forbidden")
        refused(other_tester.ask(method, f"/tester/assignments/{uuid4()}{verb}"), 404, "not_found")
    refused(tester.post(f"/tester/jobs/{uuid4()}/assignments"), 404, "not_found")
