"""The keys of all parties and of the gateway itself: where they lie, which are loaded, how long they last.

    ring = KeyRing(Options(keys=Path("var/keys"), organ="000.00.00.H53", name="…"), directory=…, clock=…)
    key = await ring.key(party)

A party's key is the file ``<party>.p12`` or ``<party>.pem`` in one folder; a file that is replaced is taken
up with the next use after the next look (``looks_every_s``).  In development a missing key is made when it is first asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import structlog

from adapters.signing.cms import CmsTemplate
from adapters.signing.development import DevelopmentAuthority, is_for_development
from adapters.signing.keys import Digest, LoadedKey, load
from gateway.errors import GatewayError, Refused, Unavailable
from gateway.model.ids import OrganCode, PartyKey
from gateway.ports import Clock, Directory

_log = structlog.get_logger(__name__)

Stamp = tuple[str, int, int, int, int]
"""What tells whether a file is still the one that was read."""

_SUFFIXES = (".p12", ".pfx", ".pem")
_MOST_LOOKS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where keys lie and how they are used.

    ``keys``: the folder with one file per party.  ``organ`` and ``name``: who we are, for evidence.
    ``gateway_key``: the stem of our own key's file.  ``trust``: the folder of trusted roots, to which a
    development root is added.  ``passphrase`` opens all files unless ``<stem>.passphrase`` lies beside.
    ``development``: missing keys are made, and development certificates are accepted.
    ``prefer_pss``: RSA keys sign with PSS instead of PKCS#1 v1.5.  ``max_loaded``: keys kept in memory
    (some 10 KB each).  ``warn_days``: readiness speaks of certificates that end sooner.
    ``looks_every_s``: how soon after a look at a file the next one asks the disk again.
    """

    keys: Path
    organ: OrganCode
    name: str
    gateway_key: str = "gateway"
    trust: Path | None = None
    passphrase: bytes | None = field(default=None, repr=False)
    development: bool = False
    digest: Digest = Digest.SHA256
    prefer_pss: bool = False
    max_loaded: int = 1_024
    warn_days: int = 30
    looks_every_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A key that is loaded, with the CMS parts that its certificate fixes."""

    key: LoadedKey
    template: CmsTemplate
    stamp: Stamp


class KeyRing:
    """All keys that this process signs with."""

    def __init__(self, options: Options, *, directory: Directory, clock: Clock) -> None:
        self.options = options
        self._directory = directory
        self._clock = clock
        self.looks = FileLooks(options.looks_every_s)
        self._loaded: OrderedDict[str, Ready] = OrderedDict()
        # Loading and making keys is heavy: one at a time leaves the second core to the work in hand.
        self._loading = asyncio.Lock()
        self._authority = (
            DevelopmentAuthority(options.keys / "development-authority", trust=options.trust, now=clock.now)
            if options.development
            else None
        )

    async def key(self, party: PartyKey) -> Ready:
        """The key of *party*, loaded.

        Raises ``Unavailable`` with ``seal-key-missing`` or ``seal-key-unusable``.
        """
        if party == self.options.gateway_key:
            # our own key attests; it never seals for a party that happens to be called like its file
            raise Unavailable("seal-key-missing", party)
        ready = self._current(party)
        if ready is not None:
            return ready
        async with self._loading:
            ready = self._current(party)
            if ready is None:
                ready = await asyncio.to_thread(self._load, party)
                self._remember(party, ready)
            return ready

    def gateway(self) -> LoadedKey:
        """Our own key, which signs evidence.  Reads or makes the file now: for the start of a process.

        It is kept until the process ends.  In development the root goes to the trust folder besides.  Raises ``Unavailable`` like ``key``.
        """
        stem = self.options.gateway_key
        ready = self._loaded.get(stem)
        if ready is None:
            if self._authority is not None:
                self._prepare_development(self._authority)
            ready = self._open(stem)
            self._remember(stem, ready)
        return ready.key

    def name_of(self, party: PartyKey) -> str:
        """What the directory calls *party*; the key itself, where it does not know it."""
        registered = self._directory.party(party)
        return registered.name if registered is not None else party

    async def check(self) -> str:
        """``ok``, or one sentence about what is wrong.  Really signs."""
        try:
            if self.options.gateway_key not in self._loaded:
                await asyncio.to_thread(self.gateway)
        except GatewayError as exc:
            return f"The gateway's own key cannot be used: {exc}."
        # our own key, and of the parties' the one used last: not all of them, each costs a signature
        stems = {self.options.gateway_key, *list(self._loaded)[-1:]}
        for stem in stems:
            sentence = await self._try(stem)
            if sentence is not None:
                return sentence
        return "ok"

    async def certificates(self) -> str:
        """How long the loaded certificates last: ``ok, …`` with the one that ends first, unless our own has ended.

        An agency whose certificate has ended seals no more; the others' documents go on, and so does readiness.
        """
        left = self.days_left()
        if not left:
            return "ok"
        stem, days = min(left.items(), key=lambda item: item[1])
        own = left.get(PartyKey(self.options.gateway_key), 0)
        if own < 0:
            return f"The gateway's own certificate ended {-own} day(s) ago."
        soon = sum(1 for days in left.values() if days < self.options.warn_days)
        first = f"{stem} ended {-days} day(s) ago" if days < 0 else f"{stem} ends first, in {days} day(s)"
        return f"ok, {len(left)} loaded, {soon} end within {self.options.warn_days} days; {first}"

    def days_left(self) -> Mapping[str, int]:
        """Whole days until each loaded certificate ends, by party key (ours by the stem of its file)."""
        now = self._clock.now()
        return {stem: (ready.key.identity.not_after - now).days for stem, ready in self._loaded.items()}

    async def _try(self, stem: str) -> str | None:
        key = self._loaded[stem].key
        message = f"readiness {self._clock.now().isoformat()}".encode()
        try:
            signature = await key.sign(message)
            if stem == self.options.gateway_key:
                key.identity.check(self._clock.now())
        except Refused:
            return f"The certificate of {stem} is outside its validity."
        except Exception as exc:
            return f"The key of {stem} does not sign: {type(exc).__name__}."
        if not key.identity.verifies(signature, message):
            return f"What the key of {stem} signs does not verify."
        return None

    def _current(self, stem: str) -> Ready | None:
        """The loaded key, if its file is still the one it was loaded from."""
        ready = self._loaded.get(stem)
        if ready is None:
            return None
        file = Path(ready.stamp[0])
        if self.looks.at(file) != ready.stamp:
            del self._loaded[stem]
            return None
        self._loaded.move_to_end(stem)
        return ready

    def _remember(self, stem: str, ready: Ready) -> None:
        self._loaded[stem] = ready
        while len(self._loaded) > self.options.max_loaded:
            oldest = next(s for s in self._loaded if s != self.options.gateway_key)
            del self._loaded[oldest]

    def _load(self, party: PartyKey) -> Ready:
        if self._authority is not None and self._file(party) is None:
            registered = self._directory.party(party)
            if registered is not None:
                with _making(party):
                    self._authority.make_rsa(self._new_file(party), name=registered.name, code=party)
        return self._open(party)

    def _prepare_development(self, authority: DevelopmentAuthority) -> None:
        stem = self.options.gateway_key
        with _making(stem):
            # the trust folder may have been emptied since the keys were made
            authority.publish()
            if self._file(stem) is None:
                authority.make_p256(self._new_file(stem), name=self.options.name, code=self.options.organ)

    def _new_file(self, stem: str) -> Path:
        return self.options.keys / f"{file_stem(stem)}.pem"

    def _open(self, stem: str) -> Ready:
        path = self._file(stem)
        if path is None:
            raise Unavailable("seal-key-missing", stem)
        read_at = self.looks.anew(path)
        passphrase = self.options.passphrase
        own_passphrase = path.with_suffix(".passphrase")
        if own_passphrase.exists():
            passphrase = own_passphrase.read_bytes().rstrip(b"\r\n")
        key = load(
            path, passphrase=passphrase, digest=self.options.digest, prefer_pss=self.options.prefer_pss
        )
        if not self.options.development and is_for_development(key.identity.certificate):
            raise Unavailable("seal-key-unusable", f"{path.name}: a development certificate in earnest use")
        return Ready(key=key, template=CmsTemplate(key.identity), stamp=read_at)

    def _file(self, stem: str) -> Path | None:
        name = file_stem(stem)
        for suffix in _SUFFIXES:
            path = self.options.keys / f"{name}{suffix}"
            if path.is_file():
                return path
        return None


@contextmanager
def _making(stem: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as exc:
        raise Unavailable("seal-key-unusable", f"no development key could be made for {stem}") from exc
    _log.warning("a development key is in use", party=stem)


def file_stem(party: str) -> str:
    """*party* as a file name: no slashes, whatever a directory may hold."""
    return quote(party, safe=" ")


class FileLooks:
    """What files looked like when they were last looked at: a look costs a change of threads, and each document needs
    three of them."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._known: dict[Path, tuple[float, Stamp]] = {}

    def at(self, path: Path) -> Stamp:
        """How *path* looked, not longer ago than that."""
        known = self._known.get(path)
        if known is not None and time.monotonic() - known[0] < self._every_s:
            return known[1]
        return self.anew(path)

    def anew(self, path: Path) -> Stamp:
        """How it looks now.  Any thread may call it."""
        found = stamp(path)
        if len(self._known) >= _MOST_LOOKS:
            self._known.clear()
        self._known[path] = time.monotonic(), found
        return found


def stamp(path: Path) -> Stamp:
    """What changes when the file is replaced; zeros where it is gone."""
    try:
        stat = path.stat()
    except OSError:
        return (str(path), 0, 0, 0, 0)
    return (str(path), stat.st_mtime_ns, stat.st_size, stat.st_ctime_ns, stat.st_ino)
