"""``manifest.json``: what the container holds and how far each chain goes, by the word of who sealed it.

Every file is named by its digest in ``META-INF/signatures.xml``; this says what they are.  That a chain ends where
it ends is said here and nowhere else: a piece that is cut off leaves no gap.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

NAME = "manifest.json"
PROOFS = "log/proofs.json"
MEDIA_TYPE = "application/vnd.etsi.asic-e+zip"
SIGNATURES = "META-INF/signatures.xml"
LISTING = "META-INF/manifest.xml"
HEAD = "log/head.xml"
STAMP = "log/head.tst"
SUMMARY = "summary.html"
_TYPES = {
    ".json": "application/json",
    ".html": "text/html",
    ".xml": "application/xml",
    ".tst": "application/vnd.etsi.timestamp-token",
    ".pem": "application/x-pem-file",
}
_LARGEST = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The end of one chain: its last sequence, and the SHA-256 (hex) of that piece."""

    recipient: str
    name: str
    state: str
    last: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The document as it came or as it went: which file, and to whom it went (by code)."""

    file: str
    sha256: str
    size: int
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All of it.  ``evidence`` are the files of the pieces; ``unproved`` those that no head here commits to.
    ``delivered`` has a file for each form in which the document went."""

    exported_at: str
    issuer: str
    document: str
    message_id: str
    code: str
    subject: str
    received: Content | None
    delivered: tuple[Content, ...]
    chains: tuple[Chain, ...]
    evidence: tuple[str, ...]
    unproved: tuple[str, ...]

    def written(self) -> bytes:
        """As JSON; the same manifest gives the same bytes."""

        def content(c: Content) -> dict[str, Any]:
            told = {"file": c.file, "sha256": c.sha256, "size": c.size}
            return told | ({"recipients": list(c.recipients)} if c.recipients else {})

        value = {
            "version": 1,
            "exported_at": self.exported_at,
            "issuer": self.issuer,
            "document": self.document,
            "message_id": self.message_id,
            "code": self.code,
            "subject": self.subject,
            "received": content(self.received) if self.received else None,
            "delivered": [content(c) for c in self.delivered],
            "chains": [
                {
                    "recipient": c.recipient,
                    "name": c.name,
                    "state": c.state,
                    "last": c.last,
                    "sha256": c.sha256,
                }
                for c in self.chains
            ],
            "evidence": list(self.evidence),
            "unproved": list(self.unproved),
        }
        return json.dumps(value, ensure_ascii=False, indent=1).encode()


@dataclass(frozen=True, slots=True)
class Proof:
    """The place of one piece in the log, and the way to the root."""

    file: str
    number: int
    path: tuple[bytes, ...]


def media_type(name: str) -> str:
    """What a member is, by its name."""
    return next((kind for end, kind in _TYPES.items() if name.endswith(end)), "application/octet-stream")


def listing(names: Iterable[str]) -> bytes:
    """``META-INF/manifest.xml``: *names* and their types, once more as readers of ASiC-E look for them.

    spec: ETSI EN 319 162-1 §4.4.3.2; ODF 1.2 part 3 §3 - no seal covers it, so it must be just this
    """
    entries = "".join(
        f'<manifest:file-entry manifest:full-path="{name}" manifest:media-type="{kind}"/>'
        for name, kind in (("/", MEDIA_TYPE), *((name, media_type(name)) for name in names))
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<manifest:manifest manifest:version="1.2" '
        f'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">{entries}</manifest:manifest>'
    ).encode()


def read_manifest(data: bytes) -> Manifest:
    """The manifest in *data*.  Raises ``ValueError``, whatever is in it."""
    try:
        value = _loaded(data)
        if value["version"] != 1:
            raise ValueError("another version")
        return Manifest(
            **{
                k: str(value[k])
                for k in ("exported_at", "issuer", "document", "message_id", "code", "subject")
            },
            received=_content(value["received"]) if value["received"] is not None else None,
            delivered=tuple(_content(c) for c in value["delivered"]),
            chains=tuple(
                Chain(
                    **{k: str(c[k]) for k in ("recipient", "name", "state", "sha256")},
                    last=int(c["last"]),
                )
                for c in value["chains"]
            ),
            evidence=tuple(map(str, value["evidence"])),
            unproved=tuple(map(str, value["unproved"])),
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no manifest: {type(error).__name__}") from error


def write_proofs(size: int, proofs: tuple[Proof, ...]) -> bytes:
    """``log/proofs.json``: proofs towards the head of *size* leaves."""
    value = {
        "size": size,
        "proofs": [
            {"file": p.file, "number": p.number, "path": [step.hex() for step in p.path]} for p in proofs
        ],
    }
    return json.dumps(value, indent=1).encode()


def read_proofs(data: bytes) -> tuple[Proof, ...]:
    """The proofs in *data*.  Raises ``ValueError``, whatever is in it."""
    try:
        return tuple(
            Proof(str(p["file"]), int(p["number"]), tuple(bytes.fromhex(step) for step in p["path"][:64]))
            for p in _loaded(data)["proofs"]
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no proofs: {type(error).__name__}") from error


def _loaded(data: bytes) -> Any:
    if len(data) > _LARGEST:
        raise ValueError("too large")
    return json.loads(data)


def _content(value: Any) -> Content:
    return Content(
        file=str(value["file"]),
        sha256=str(value["sha256"]),
        size=int(value["size"]),
        recipients=tuple(map(str, value.get("recipients", ()))),
    )
