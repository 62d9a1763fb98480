"""The configuration: one TOML file, parsed once into frozen dataclasses.

Unknown keys are errors that name the key; every option works when it is absent.  Relative paths are meant
from the folder ``var`` (data) or from the file that names them (everything else).  Secrets are named by file
or by environment variable (``env:NAME``), never written in.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as parsed

from gateway.errors import ConfigError
from gateway.model.policy import Acceptance, Attitude, Limits, Patience, Policy, SecrecyField
from gateway.model.quota import Quota

_STRICT: Any = {"extra": "forbid", "str_strip_whitespace": True}


@parsed(frozen=True, kw_only=True, config=_STRICT)
class GatewaySection:
    """Who we are and where our data lies."""

    realm: str = "H53"
    organ: str = "00.53.W00"
    name: str = "Trục liên thông văn bản tỉnh Tây Ninh"
    var: str = "var"


@parsed(frozen=True, kw_only=True, config=_STRICT)
class StoreSection:
    """Where the state lives; empty: SQLite under ``var``."""

    url: str = ""
    readers: int = 2
    require_tls: bool = False


@parsed(frozen=True, kw_only=True, config=_STRICT)
class VaultSection:
    """Where payloads lie; empty: under ``var``."""

    folder: str = ""


@parsed(frozen=True, kw_only=True, config=_STRICT)
class UploadsSection:
    """Uploads that come in pieces: bounds for the unfinished ones of one party, and how long they are kept."""

    per_party: int = 16
    bytes_per_party: int = 4 * 1024**3
    keep_hours: float = 24.0


@parsed(frozen=True, kw_only=True, config=_STRICT)
class RetentionSection:
    """How long each data class is kept; 0: for good.  Evidence, and the memory of message ids, always are."""

    content_days: float = 90.0
    metadata_days: float = 730.0
    orphan_days: float = 7.0
    every_minutes: float = 60.0
    settle_s: float = 60.0


@parsed(frozen=True, kw_only=True, config=_STRICT)
class BrokerSection:
    """Which RabbitMQ; empty: a private node under ``var``."""

    url: str = ""
    management_url: str = ""
    client_url: str = ""
    publish_deadline_s: float = 10.0
    bytes_in_flight: int = 32 * 1024 * 1024
    ca_file: str = ""
    require_tls: bool = False


@parsed(frozen=True, kw_only=True, config=_STRICT)
class HttpSection:
    """Where HTTP listens; port 0: a free one, the same as last time where it can be."""

    host: str = "127.0.0.1"
    port: int = 0
    public_url: str = ""
    secret_file: str = ""
    metrics_token: str = ""
    certificate_file: str = ""
    key_file: str = ""
    require_tls: bool = False


@parsed(frozen=True, kw_only=True, config=_STRICT)
class DirectorySection:
    """Who takes part."""

    organs: str = ""
    parties: str = ""
    queues: str = r"000\.00\.\d\d\.H53"


@parsed(frozen=True, kw_only=True, config=_STRICT)
class ClientsSection:
    """Who may act for whom; ``development`` makes a client for every party."""

    file: str = ""
    development: bool = True


@parsed(frozen=True, kw_only=True, config=_STRICT)
class SigningSection:
    """The keys of the agencies' seals and of our evidence."""

    keys: str = ""
    development: bool = True
    passphrase: str = ""
    digest: Literal["sha256", "sha384", "sha512"] = "sha256"
    prefer_pss: bool = False
    policy_id: str = "urn:vanthu:evidence-policy:1"


@parsed(frozen=True, kw_only=True, config=_STRICT)
class EvidenceSection:
    """The log of all evidence, and who stamps its heads (RFC 3161 over HTTP; empty: nobody)."""

    head_s: float = 60.0
    authority: str = ""
    authority_wait_s: float = 20.0


@parsed(frozen=True, kw_only=True, config=_STRICT)
class SealSection:
    """How seals look, and where they go.  spec: NĐ 30/2020 Annex I, Part I, II.8"""

    visible: bool = True
    pictures: str = ""
    diameter_mm: float = 36.0
    anchors: tuple[str, ...] = ("TM.", "KT.", "TL.", "TUQ.", "Q.", "Nơi nhận")
    page: Literal["first", "last"] = "last"
    corner: Literal["top-left", "top-right", "bottom-left", "bottom-right"] = "bottom-right"
    x_mm: float = 85.0
    y_mm: float = 60.0
    font: str = ""


@parsed(frozen=True, kw_only=True, config=_STRICT)
class InspectionSection:
    """Judging, in processes that can be ended."""

    anchors: str = ""
    revocations: str = ""
    processes: int = 2
    memory_mb: int = 512
    cpu_s: float = 10.0
    wall_s: float = 20.0
    share: int = 1
    brisk_s: float = 0.25
    slow_processes: int = 2


@parsed(frozen=True, kw_only=True, config=_STRICT)
class AcceptanceSection:
    """The acceptance policy."""

    secrecy_fields: tuple[SecrecyField, ...] = tuple(SecrecyField)
    secrecy_marks: tuple[str, ...] = Acceptance().secrecy_marks
    untrusted_signer: Attitude = Attitude.WARN
    unsigned_main: Attitude = Attitude.WARN
    seal_appendices: bool = True
    active_content: Attitude = Acceptance().active_content
    xfa: Attitude = Acceptance().xfa
    external_content: Attitude = Acceptance().external_content
    embedded_files: Attitude = Acceptance().embedded_files
    hidden_content: Attitude = Acceptance().hidden_content
    max_pages: int = Acceptance().max_pages
    max_bytes: int = Acceptance().max_bytes


@parsed(frozen=True, kw_only=True, config=_STRICT)
class PatienceSection:
    """How often and how long we try."""

    first_s: float = 1.0
    longest_s: float = 300.0
    crowded_s: float = 15.0
    expiry_days: float = 30.0
    deaths: int = 3
    original_hours: float = 24.0


@parsed(frozen=True, kw_only=True, config=_STRICT)
class LimitsSection:
    """Bounds in bytes and counts."""

    header_bytes: int = Limits().header_bytes
    document_bytes: int = Limits().document_bytes
    large_file_bytes: int = Limits().large_file_bytes
    message_bytes: int = Limits().message_bytes
    claim_fanout: int = Limits().claim_fanout
    recipients: int = Limits().recipients


@parsed(frozen=True, kw_only=True, config=_STRICT)
class PaceSection:
    """How much at once.  ``workers``: 0 is one for each processor that we may use, ``MOST_WORKERS`` at most."""

    workers: int = 0
    documents: int = 16
    parcels: int = 64
    backlog: int = 2000
    beside_others: float = 0.03125
    urgent_per_minute: int = 120
    waiting: int = 32
    memory_mb: int = 1024
    tick_ms: int = 500
    lease_s: float = 10.0
    grace_s: float = 20.0


@parsed(frozen=True, kw_only=True, config=_STRICT)
class QuotasSection:
    """What one organ may send where the directory says nothing else; 0: no bound."""

    bytes_per_day: int = 0
    documents_per_minute: int = 0
    documents_waiting: int = 0


@parsed(frozen=True, kw_only=True, config=_STRICT)
class LogSection:
    """What is told, and how: ``json`` or ``text``."""

    level: str = "info"
    form: str = "json"


@parsed(frozen=True, kw_only=True, config=_STRICT)
class Sections:
    """The file as it stands."""

    gateway: GatewaySection = field(default_factory=GatewaySection)
    store: StoreSection = field(default_factory=StoreSection)
    vault: VaultSection = field(default_factory=VaultSection)
    uploads: UploadsSection = field(default_factory=UploadsSection)
    retention: RetentionSection = field(default_factory=RetentionSection)
    broker: BrokerSection = field(default_factory=BrokerSection)
    http: HttpSection = field(default_factory=HttpSection)
    directory: DirectorySection = field(default_factory=DirectorySection)
    clients: ClientsSection = field(default_factory=ClientsSection)
    signing: SigningSection = field(default_factory=SigningSection)
    evidence: EvidenceSection = field(default_factory=EvidenceSection)
    seal: SealSection = field(default_factory=SealSection)
    inspection: InspectionSection = field(default_factory=InspectionSection)
    acceptance: AcceptanceSection = field(default_factory=AcceptanceSection)
    patience: PatienceSection = field(default_factory=PatienceSection)
    limits: LimitsSection = field(default_factory=LimitsSection)
    pace: PaceSection = field(default_factory=PaceSection)
    quotas: QuotasSection = field(default_factory=QuotasSection)
    log: LogSection = field(default_factory=LogSection)
    rules: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The configuration with every path resolved.  ``source`` is the file, ``None`` for the defaults."""

    sections: Sections
    source: Path | None
    var: Path

    @property
    def quota(self) -> Quota:
        """The quotas of a party of which the directory says nothing."""
        quotas = self.sections.quotas
        return Quota(
            bytes_per_day=quotas.bytes_per_day,
            documents_per_minute=quotas.documents_per_minute,
            documents_waiting=quotas.documents_waiting,
            urgent_per_minute=self.sections.pace.urgent_per_minute,
        )

    @property
    def policy(self) -> Policy:
        """The policy of the core."""
        s = self.sections
        return Policy(
            acceptance=Acceptance(
                secrecy_fields=frozenset(s.acceptance.secrecy_fields),
                secrecy_marks=s.acceptance.secrecy_marks,
                untrusted_signer=s.acceptance.untrusted_signer,
                unsigned_main=s.acceptance.unsigned_main,
                seal_appendices=s.acceptance.seal_appendices,
                active_content=s.acceptance.active_content,
                xfa=s.acceptance.xfa,
                external_content=s.acceptance.external_content,
                embedded_files=s.acceptance.embedded_files,
                hidden_content=s.acceptance.hidden_content,
                max_pages=s.acceptance.max_pages,
                max_bytes=s.acceptance.max_bytes,
            ),
            patience=Patience(
                first=timedelta(seconds=s.patience.first_s),
                longest=timedelta(seconds=s.patience.longest_s),
                crowded=timedelta(seconds=s.patience.crowded_s),
                expiry=timedelta(days=s.patience.expiry_days),
                deaths=s.patience.deaths,
                original=timedelta(hours=s.patience.original_hours),
            ),
            limits=Limits(
                header_bytes=s.limits.header_bytes,
                document_bytes=s.limits.document_bytes,
                large_file_bytes=s.limits.large_file_bytes,
                message_bytes=s.limits.message_bytes,
                claim_fanout=s.limits.claim_fanout,
                recipients=s.limits.recipients,
            ),
        )

    def data(self, configured: str, default: str) -> Path:
        """A path of data: *configured* if it is given, else *default* under ``var``."""
        return (self.var / (configured or default)).absolute()

    def file(self, configured: str, default: Path) -> Path:
        """A path of configuration: meant from the file that names it."""
        if not configured:
            return default
        base = self.source.parent if self.source else Path()
        return (base / configured).absolute()

    @property
    def trust_folder(self) -> Path:
        """The folder of trusted roots."""
        return self.data(self.sections.inspection.anchors, "dev/trust")

    @property
    def revocations_folder(self) -> Path:
        """The folder of CRLs, OCSP answers, and certificates that complete chains."""
        return self.data(self.sections.inspection.revocations, "revocations")

    @property
    def keys_folder(self) -> Path:
        """The folder of the agencies' keys and our own."""
        return self.data(self.sections.signing.keys, "keys")

    @property
    def workers(self) -> int:
        """How many worker processes there are to be."""
        return self.sections.pace.workers or min(len(os.sched_getaffinity(0)), MOST_WORKERS)

    @property
    def store_url(self) -> str:
        """The store's URL; SQLite under ``var`` by default."""
        url = secret(self.sections.store.url, "store.url")
        return url or f"sqlite:///{self.data('', 'store/ledger.sqlite')}"


def load(source: Path | None, *, var: Path | None = None) -> Config:
    """Read *source* (``None``: all defaults); *var* overrides where the data lies.

    Raises ``ConfigError`` that names the file and the key.
    """
    tables: Mapping[str, object] = {}
    if source is not None:
        try:
            tables = tomllib.loads(source.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{source}: cannot be read ({error.strerror})") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{source}: not TOML: {error}") from error
    try:
        sections = TypeAdapter(Sections).validate_python(tables)
    except ValidationError as error:
        raise ConfigError(_explained(source, error)) from None
    _check(source, sections)
    chosen = var or Path(sections.gateway.var)
    return Config(sections=sections, source=source, var=chosen.absolute())


def secret(value: str, key: str) -> str:
    """*value*, or the environment variable that ``env:NAME`` names.  Raises ``ConfigError`` where it is unset."""
    if not value.startswith("env:"):
        return value
    name = value.removeprefix("env:")
    found = os.environ.get(name)
    if found is None:
        raise ConfigError(f"{key}: the environment variable {name} is not set")
    return found


def _explained(source: Path | None, error: ValidationError) -> str:
    lines = []
    for one in error.errors():
        key = ".".join(str(part) for part in one["loc"])
        what = "is not a known option" if one["type"] == "unexpected_keyword_argument" else one["msg"]
        lines.append(f"{source or 'defaults'}: {key}: {what}")
    return "\n".join(lines)


MOST_WORKERS = 8
"""More than that only where somebody says so: each has its memory, and one store answers them all."""

_POSITIVE = (
    (
        "pace",
        (
            "documents",
            "parcels",
            "backlog",
            "urgent_per_minute",
            "waiting",
            "memory_mb",
            "tick_ms",
            "lease_s",
        ),
    ),
    ("patience", ("first_s", "longest_s", "crowded_s", "expiry_days", "deaths", "original_hours")),
    ("limits", ("header_bytes", "document_bytes", "large_file_bytes", "message_bytes", "recipients")),
    ("uploads", ("per_party", "bytes_per_party", "keep_hours")),
    ("retention", ("orphan_days", "every_minutes")),
    ("seal", ("x_mm", "y_mm")),
    ("acceptance", ("max_pages", "max_bytes")),
    ("inspection", ("processes", "memory_mb", "cpu_s", "wall_s", "share", "brisk_s", "slow_processes")),
    ("broker", ("publish_deadline_s", "bytes_in_flight")),
    ("evidence", ("head_s", "authority_wait_s")),
)


def _check(source: Path | None, sections: Sections) -> None:
    where = source or "defaults"
    for name, keys in _POSITIVE:
        for key in keys:
            if getattr(getattr(sections, name), key) <= 0:
                raise ConfigError(f"{where}: {name}.{key}: must be greater than 0")
    for key in ("bytes_per_day", "documents_per_minute", "documents_waiting"):
        if getattr(sections.quotas, key) < 0:
            raise ConfigError(f"{where}: quotas.{key}: 0 (no bound), or how much")
    if not 0 < sections.pace.beside_others <= 1:
        raise ConfigError(f"{where}: pace.beside_others: a part, greater than 0 and at most 1 (no bound)")
    if sections.pace.workers < 0:
        raise ConfigError(f"{where}: pace.workers: 0 (one for each processor), or how many")
    try:
        re.compile(sections.directory.queues)
    except re.error as error:
        raise ConfigError(f"{where}: directory.queues: not a pattern: {error}") from error
    if not 10 <= sections.seal.diameter_mm <= 80:
        raise ConfigError(f"{where}: seal.diameter_mm: seals measure 10 to 80 mm")
    if sections.patience.expiry_days > 30:
        raise ConfigError(f"{where}: patience.expiry_days: at most 30, as the contract promises")
    _check_retention(str(where), sections)
    if not 0 <= sections.http.port < 65536:
        raise ConfigError(f"{where}: http.port: not a port")
    _check_tls(str(where), sections)
    broker = sections.broker
    if bool(broker.url) != bool(broker.management_url):
        raise ConfigError(f"{where}: broker.management_url: needed together with broker.url")


def _check_retention(where: str, sections: Sections) -> None:
    kept, expiry = sections.retention, sections.patience.expiry_days
    content, metadata = kept.content_days or math.inf, kept.metadata_days or math.inf
    if min(content, metadata, kept.settle_s) < 0:
        raise ConfigError(f"{where}: retention: no time is less than 0")
    if content < expiry:
        raise ConfigError(
            f"{where}: retention.content_days: at least patience.expiry_days ({expiry:g}): until then it may be delivered"
        )
    if metadata < content:
        raise ConfigError(
            f"{where}: retention.metadata_days: at least content_days, and 0 (for good) where that is 0"
        )
    if kept.orphan_days < 1 or kept.orphan_days * 24 < sections.uploads.keep_hours:
        raise ConfigError(
            f"{where}: retention.orphan_days: at least 1, and as long as uploads.keep_hours: claims wait to be sent"
        )


def _check_tls(where: str, sections: Sections) -> None:
    broker, http, store = sections.broker, sections.http, sections.store
    if broker.require_tls and not secret(broker.url, "broker.url").startswith("amqps:"):
        raise ConfigError(f"{where}: broker.url: TLS is required, so it must begin with amqps:")
    if http.require_tls and not http.certificate_file:
        raise ConfigError(f"{where}: http.certificate_file: TLS is required, so a certificate is needed")
    if bool(http.certificate_file) != bool(http.key_file):
        raise ConfigError(f"{where}: http.key_file: needed together with http.certificate_file")
    url = secret(store.url, "store.url")
    if store.require_tls and url.startswith("postgresql") and not _SAFE_POSTGRES.search(url):
        raise ConfigError(
            f"{where}: store.url: TLS is required, so it must carry sslmode=verify-full or verify-ca"
        )


_SAFE_POSTGRES = re.compile(r"[?&]sslmode=verify-(full|ca)(&|$)")
