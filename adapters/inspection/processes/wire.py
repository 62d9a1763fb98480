"""How the gateway and its judging processes talk: a short frame, JSON, and the file's bytes as they are, on a sheet
(``sheet``), behind the order or by a descriptor.

The answer comes from a process that has just read hostile bytes, so it is parsed as data (never
unpickled) and every field is checked on the way in.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.model.finding import Finding, Severity
from gateway.model.policy import Acceptance, Attitude
from gateway.model.signature import Indication, Inspection, SignatureReport, Verdict

REQUEST = struct.Struct("!IQd")
"""Length of the order that follows, length of the file: up to a sheet's size it lies there, a larger one follows
the order; ``HANDED`` where its descriptor comes along instead.  Then the seconds of processor time that it may cost."""

HANDED = 2**64 - 1

ANSWER = struct.Struct("!I")
"""Length of the answer; the first one of a child is its process id, as ``HELLO``."""

HELLO = struct.Struct("!I")

FORK, FORK_LOW = b"fork", b"fork low"
"""To the nursery: bear a process; one that gives way to everybody else."""

MAX_ANSWER = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What memory one file may cost, and how it is judged; given to the processes when they are born."""

    memory_bytes: int
    trust: str
    revocations: str
    unsafe_accept_any_signer: bool
    tasks: int

    def encoded(self) -> str:
        """As one word of a command line."""
        return json.dumps(
            {
                "memory_bytes": self.memory_bytes,
                "trust": self.trust,
                "revocations": self.revocations,
                "unsafe_accept_any_signer": self.unsafe_accept_any_signer,
                "tasks": self.tasks,
            }
        )

    @classmethod
    def decoded(cls, text: str) -> Bounds:
        """The inverse of ``encoded``."""
        given = json.loads(text)
        return cls(
            memory_bytes=given["memory_bytes"],
            trust=given["trust"],
            revocations=given["revocations"],
            unsafe_accept_any_signer=given["unsafe_accept_any_signer"],
            tasks=given["tasks"],
        )


def encode_order(name: str, policy: Acceptance) -> bytes:
    """What to judge a file by: of the policy, all that concerns a PDF."""
    return json.dumps({"name": name, "policy": {key: getattr(policy, key) for key in _POLICY}}).encode()


def decode_order(raw: bytes) -> tuple[str, Acceptance]:
    """The inverse of ``encode_order``."""
    given = json.loads(raw)
    told = {key: kind(given["policy"][key]) for key, kind in _POLICY.items()}
    return given["name"], Acceptance(**told)


_POLICY: Mapping[str, Callable[[Any], Any]] = {
    "untrusted_signer": Attitude,
    "active_content": Attitude,
    "xfa": Attitude,
    "external_content": Attitude,
    "embedded_files": Attitude,
    "hidden_content": Attitude,
    "max_pages": int,
    "max_bytes": int,
}


def encode_inspection(inspection: Inspection) -> bytes:
    """*inspection* as JSON."""
    return json.dumps(
        {
            "verdict": inspection.verdict.value,
            "pages": inspection.pages,
            "elapsed_ms": inspection.elapsed_ms,
            "signatures": [
                {
                    "field": s.field,
                    "signer": s.signer,
                    "sub_filter": s.sub_filter,
                    "level": s.level,
                    "indication": s.indication.value,
                    "sub_indication": s.sub_indication,
                    "coverage": s.coverage,
                    "changes": s.changes,
                    "signed_at": s.signed_at.isoformat() if s.signed_at is not None else None,
                    "certificate_sha256": s.certificate_sha256,
                    "chain": s.chain,
                }
                for s in inspection.signatures
            ],
            "findings": [
                {
                    "code": f.code,
                    "severity": f.severity.value,
                    "where": f.where,
                    "detail": f.detail,
                    "message": f.message,
                    "message_vi": f.message_vi,
                }
                for f in inspection.findings
            ],
        }
    ).encode()


def decode_inspection(raw: bytes) -> Inspection:
    """The inverse of ``encode_inspection``; raises ``ValueError`` where *raw* is none."""
    try:
        given = json.loads(raw)
        return Inspection(
            verdict=Verdict(given["verdict"]),
            pages=int(given["pages"]),
            elapsed_ms=float(given["elapsed_ms"]),
            signatures=tuple(_signature(one) for one in given["signatures"]),
            findings=tuple(_finding(one) for one in given["findings"]),
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise ValueError("no inspection") from exc


def _signature(given: dict[str, Any]) -> SignatureReport:
    at = given["signed_at"]
    return SignatureReport(
        field=str(given["field"]),
        signer=str(given["signer"]),
        sub_filter=str(given["sub_filter"]),
        level=str(given["level"]),
        indication=Indication(given["indication"]),
        sub_indication=str(given["sub_indication"]),
        coverage=str(given["coverage"]),
        changes=str(given["changes"]),
        signed_at=datetime.fromisoformat(at) if at is not None else None,
        certificate_sha256=str(given["certificate_sha256"]),
        chain=tuple(str(name) for name in given["chain"]),
    )


def _finding(given: dict[str, Any]) -> Finding:
    return Finding(
        code=str(given["code"]),
        severity=Severity(given["severity"]),
        where=str(given["where"]),
        detail=str(given["detail"]),
        message=str(given["message"]),
        message_vi=str(given["message_vi"]),
    )
