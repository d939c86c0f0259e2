"""ETag and If-Match: a job's version, and what happened since."""

import pytest

from tests.api.server import ANSWERS, Client, Platform, Response, Unchanged, a_job, done, refused, wrong_fields


def version(response: Response) -> int:
    """The version in a strong ETag."""
    tag = response.headers["etag"]
    assert tag.startswith('"')
    assert tag.endswith('"')
    return int(tag[1:-1])


def test_every_answer_to_a_command_on_a_job_tells_its_version(platform: Platform, owner: Client) -> None:
    tester = platform.tester()
    created = owner.post("/jobs", a_job(2))
    job_id = done(created, 201)["id"]
    versions = [version(created)]
    asked = [(owner, f"/owner/jobs/{job_id}/{verb}", None) for verb in ("pause", "resume")]
    asked += [(tester, f"/tester/jobs/{job_id}/assignments", None)]
    for who, path, body in asked:
        response = who.post(path, body)
        versions.append(version(response))
    assignment = f"/tester/assignments/{response.json()['id']}"
    versions += [version(tester.post(f"{assignment}/start")), version(tester.post(f"{assignment}/submit", ANSWERS))]
    versions += [version(owner.post(f"/owner/jobs/{job_id}/{verb}")) for verb in ("settle", "approve")]
    assert versions == sorted(set(versions))
    assert version(owner.get(f"/jobs/{job_id}")) == versions[-1]
    assert version(owner.get(f"/owner/jobs/{job_id}/settlement")) == versions[-1]
    assert version(owner.get(f"/jobs/{job_id}/wait")) == versions[-1]


def test_what_writes_nothing_leaves_the_version(owner: Client) -> None:
    job_id = owner.post_job()
    paused = owner.post(f"/owner/jobs/{job_id}/pause")
    assert version(owner.post(f"/owner/jobs/{job_id}/pause")) == version(paused)


def test_a_command_is_done_if_the_job_is_still_at_the_version_that_was_seen(owner: Client) -> None:
    job_id = owner.post_job()
    seen = {"if-match": owner.etag(job_id)}
    done(owner.post(f"/owner/jobs/{job_id}/pause", headers=seen))
    with Unchanged(owner):
        problem = refused(owner.post(f"/owner/jobs/{job_id}/resume", headers=seen), 412, "version_mismatch")
    assert problem["currentVersion"] == 2
    assert [(event["version"], event["type"]) for event in problem["events"]] == [(2, "job.paused")]
    done(owner.post(f"/owner/jobs/{job_id}/resume", headers={"if-match": '"2"'}))


def test_a_version_that_was_never_reached_is_another_one(owner: Client) -> None:
    job_id = owner.post_job()
    problem = refused(owner.post(f"/owner/jobs/{job_id}/pause", headers={"if-match": '"7"'}), 412, "version_mismatch")
    assert (problem["currentVersion"], problem["events"]) == (1, [])


def test_a_star_takes_any_version(owner: Client) -> None:
    job_id = owner.post_job()
    for verb in ("pause", "resume"):
        done(owner.post(f"/owner/jobs/{job_id}/{verb}", headers={"if-match": "*"}))


@pytest.mark.parametrize("tag", ["7", 'W/"7"', '"7", "8"', '"07"', '"-1"', '"seven"', "", '""', '"1' + "0" * 18 + '"'])
def test_any_other_condition_is_refused(owner: Client, tag: str) -> None:
    path = f"/owner/jobs/{owner.post_job()}/pause"
    with Unchanged(owner):
        assert wrong_fields(owner.post(path, headers={"if-match": tag})) == ["If-Match"]


def test_testers_and_operators_may_name_the_version_too(platform: Platform, owner: Client, tester: Client) -> None:
    job_id = owner.post_job(1)
    stale = {"if-match": owner.etag(job_id)}
    assignment = tester.take(job_id)
    path = f"/tester/assignments/{assignment}/start"
    problem = refused(tester.post(path, headers=stale), 412, "version_mismatch")
    assert [event["type"] for event in problem["events"]] == ["job.slot_taken"]
    done(tester.post(path, headers={"if-match": '"2"'}))
    done(tester.post(f"/tester/assignments/{assignment}/submit", ANSWERS))
    done(owner.post(f"/owner/jobs/{job_id}/dispute", {"lowQuality": True}))
    verdict = {"resolutions": [{"assignmentId": assignment, "payoutCents": 0}]}
    resolve = f"/operator/jobs/{job_id}/resolve"
    refused(platform.operator.post(resolve, verdict, headers=stale), 412, "version_mismatch")
    done(platform.operator.post(resolve, verdict, headers={"if-match": owner.etag(job_id)}))


def test_at_most_a_hundred_events_are_told_the_first_ones(owner: Client) -> None:
    job_id = owner.post_job()
    for number in range(102):
        done(owner.post(f"/owner/jobs/{job_id}/{('pause', 'resume')[number % 2]}"))
    problem = refused(owner.post(f"/owner/jobs/{job_id}/stop", headers={"if-match": '"1"'}), 412, "version_mismatch")
    assert problem["currentVersion"] == 103
    assert [event["version"] for event in problem["events"]] == list(range(2, 102))
