"""The evidence log: how far it is, whether it holds, and who stamps its heads."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from adapters.signing.evidence_check import load_roots, verify_evidence
from adapters.signing.head_check import verify_head
from adapters.signing.stamps.authority import HttpStamper, Options
from adapters.signing.stamps.token import check_token
from gateway.config import Config, secret
from gateway.errors import ConfigError
from gateway.ports import Clock, LogRecords
from gateway.wiring.audit import must_have_store
from gateway.wiring.ground import open_the_store
from gateway.wiring.log_audit import Checks, LogAudit, LogReport

_LARGEST_ROOTS = 1 << 20

LATE = timedelta(minutes=5)
"""Evidence that waits longer for its number than this, or heads further apart: worth a word."""


async def log_lag(records: LogRecords, clock: Clock) -> str:
    """``ok`` with how far the log is.  One that lags behind delays no document, so it makes nobody unready."""
    state, now = await records.state(), clock.now()
    waits = now - state.oldest if state.oldest else timedelta()
    age = now - state.head.signed_at if state.head else None
    is_late = waits > LATE or (age is not None and age > LATE)
    told = f"ok, {'BEHIND: ' if is_late else ''}{state.size} numbered, {state.waiting} waiting"
    if state.waiting:
        told += f" for {waits.total_seconds():.0f} s"
    return f"{told}, " + (f"head {age.total_seconds():.0f} s old" if age is not None else "no head yet")


def stamper_of(config: Config) -> HttpStamper | None:
    """The time-stamp authority of *config*, if it names one.  Raises ``ConfigError`` for what is no address."""
    section = config.sections.evidence
    url = secret(section.authority, "evidence.authority")
    if not url:
        return None
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigError("evidence.authority: must be http://… or https://…")
    return HttpStamper(
        Options(
            url=url,
            wait=timedelta(seconds=section.authority_wait_s),
            roots=lambda: load_roots(config.trust_folder),
        )
    )


async def check_log(config: Config, *, root: Path | None = None) -> LogReport:
    """Look at the whole log in the store of *config*.  *root*: whom to believe in place of the trust folder."""
    must_have_store(config)
    roots = roots_of(config, root)
    store = await open_the_store(config)
    try:
        checks = Checks(
            evidence=partial(verify_evidence, roots=roots),
            head=partial(verify_head, roots=roots),
            stamp=partial(check_token, roots=roots),
        )
        return await LogAudit(store.ledger, store.records, store.log_records, checks).run()
    finally:
        await store.close()


def roots_of(config: Config, root: Path | None) -> tuple[x509.Certificate, ...]:
    """The trusted roots: those in the file or folder *root*, else those of *config*.

    Raises ``ConfigError`` where *root* holds none.
    """
    if root is None:
        return load_roots(config.trust_folder)
    roots = load_roots(root) if root.is_dir() else certificates_of(root)
    if not roots:
        raise ConfigError(f"{root}: không có chứng thư nào · holds no certificate")
    return roots


def certificates_of(file: Path) -> tuple[x509.Certificate, ...]:
    """The certificates in *file*, PEM or DER; none where it holds none.  Raises ``ConfigError``."""
    try:
        data = file.read_bytes() if file.stat().st_size <= _LARGEST_ROOTS else b""
    except OSError as error:
        raise ConfigError(f"{file}: không đọc được · cannot be read ({error.strerror})") from error
    with suppress(ValueError):
        return tuple(x509.load_pem_x509_certificates(data))
    with suppress(ValueError):
        return (x509.load_der_x509_certificate(data),)
    return ()
