"""Checkpoints of the log, proofs under them for auditors and operators, and portable ones for whose the events are."""

from base64 import b64encode

from api.http.route import Call, Route, Shown, Subject, read
from api.http.schemas.audit import (
    CheckpointAnswer,
    ConsistencyProof,
    ConsistencyQuery,
    InclusionProof,
    InclusionQuery,
    ProofFile,
)
from api.service.portable_proof import prove_job, prove_tester
from domain.access.events import Role

AUDIT = (Role.OPERATOR, Role.AUDITOR)


def _text(hashed: bytes) -> str:
    return b64encode(hashed).decode()


async def _checkpoint(call: Call) -> Shown:
    checkpoint, note, key = await call.service.evidence.checkpoint()
    return Shown(
        {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "rootHash": _text(checkpoint.root),
            "note": note,
            "publicKey": key,
        },
        position=checkpoint.size,
    )


async def _inclusion(call: Call) -> Shown:
    proof = await call.service.evidence.inclusion(call.query.position, call.query.size)
    return Shown(
        {
            "position": proof.position,
            "size": proof.size,
            "leafHash": _text(proof.leaf),
            "rootHash": _text(proof.root),
            "path": [_text(step) for step in proof.path],
        }
    )


async def _consistency(call: Call) -> Shown:
    proof = await call.service.evidence.consistency(call.query.from_, call.query.to)
    return Shown(
        {
            "from": proof.first,
            "to": proof.second,
            "fromRootHash": _text(proof.first_root),
            "toRootHash": _text(proof.second_root),
            "path": [_text(step) for step in proof.path],
        }
    )


async def _job_proof(call: Call) -> Shown:
    size, pieces = await prove_job(call.service.evidence, call.service.audit, call.ids["id"])
    return Shown(pieces=pieces, position=size, holds_snapshot=False)


async def _tester_proof(call: Call) -> Shown:
    size, pieces = await prove_tester(call.service.evidence, call.service.audit, call.principal.id)
    return Shown(pieces=pieces, position=size, holds_snapshot=False)


ROUTES: tuple[Route, ...] = (
    read(
        "/audit/checkpoint",
        "getCheckpoint",
        "The newest signed checkpoint of the log",
        _checkpoint,
        roles=AUDIT,
        answer=CheckpointAnswer,
    ),
    read(
        "/audit/proof/inclusion",
        "proveInclusion",
        "Proof that an event is in the log",
        _inclusion,
        roles=AUDIT,
        query=InclusionQuery,
        answer=InclusionProof,
    ),
    read(
        "/audit/proof/consistency",
        "proveConsistency",
        "Proof that the log has only grown between two sizes",
        _consistency,
        roles=AUDIT,
        query=ConsistencyQuery,
        answer=ConsistencyProof,
    ),
    read(
        "/jobs/{id}/proof",
        "proveJob",
        "Your job's events with proof that they are in the log, to be kept",
        _job_proof,
        roles=(Role.OWNER,),
        subject=Subject.OWNERS_JOB,
        answer=ProofFile,
    ),
    read(
        "/tester/proof",
        "proveMyWork",
        "Your own events with proof that they are in the log, to be kept",
        _tester_proof,
        roles=(Role.TESTER,),
        answer=ProofFile,
    ),
)
