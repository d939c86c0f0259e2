"""What schemathesis has to know besides the document. Read by its command line, through SCHEMATHESIS_HOOKS."""

import re
from collections.abc import Mapping
from typing import Any

import schemathesis
from hypothesis import strategies as st

VERSION_TAG = "version-tag"

BEYOND_A_SCHEMA: Mapping[str, str] = {
    "createJob": r"/(targetTesters|taskPaidTimeLimitMinutes|projectTestersOnly|startsAt|paymentRules|variants/\d+/.*)",
    "disputeJob": r"|/(platformIssue|billingDiscrepancy)Description|/testers/\d+/testerUserId",
    "resolveDispute": r"/resolutions/\d+/(assignmentId|payoutCents|feeCents)",
    "submitTask": r"/answers/.*|/proofValue",
    "registerPrincipal": r"/name",
    "issueKey": r"/principalId",
    "reconcile": r"/(from|asOf|knownAt|timezone)|/statements(/\d+/content)?",
    "listEvents": r"\?after",
    "followEvents": r"\?(after|types)",
    "getJob": r"\?(asOf|knownAt|version)",
    "getLedger": r"\?(asOf|knownAt)",
    "getBilling": r"\?(asOf|knownAt)",
    "listVerdicts": r"\?testerUserId",
    "proveInclusion": r"\?(position|size)",
    "proveConsistency": r"\?(from|to)",
}
"""Where a value that fits the schema may still be wrong: fields that must agree, what there must be, times to
come, letters that cannot be printed."""

CURSOR = "?cursor"


@schemathesis.check
def a_400_to_what_fits_the_schema_is_for_what_a_schema_cannot_say(_: Any, response: Any, case: Any) -> None:
    """Everything else that is refused has to be refused by the document too."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    operation = case.operation.definition.raw["operationId"]
    for error in response.json()["errors"]:
        pointer = error["pointer"]
        foreseen = re.fullmatch(BEYOND_A_SCHEMA.get(operation, "-"), pointer) or pointer == CURSOR
        assert foreseen or is_whole_float(case.body, pointer), f"{operation}: {error}"


def is_whole_float(body: Any, pointer: str) -> bool:
    """Whether a pointer names 300.0 or the like: an integer to JSON Schema, none to us."""
    value = body
    for step in pointer.split("/")[1:]:
        value = value[int(step)] if isinstance(value, list) else value.get(step) if isinstance(value, dict) else None
    return isinstance(value, float) and value.is_integer()


@schemathesis.hook
def before_load_schema(_: Any, raw_schema: dict[str, Any]) -> None:
    """Its coverage phase finds no header by our pattern, and would take a wrong one for right."""
    raw_schema["components"]["parameters"]["If-Match"]["schema"]["format"] = VERSION_TAG


schemathesis.openapi.format(VERSION_TAG, st.sampled_from(["*", '"1"', '"2"', '"7"']))
