"""Programs that we need from the machine: found, else installed as Debian packages where we may, else named.

A package is installed without its service being started: Debian asks ``/usr/sbin/policy-rc.d`` before
it starts one, and ours says no.  It is there only while we install, and one that is there already is
never touched.

Runs before there is a virtual environment: standard library only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

POLICY = Path("/usr/sbin/policy-rc.d")
_MARK = "# Vanthu's set-up, process "
_DENIED = 101  # spec: Debian invoke-rc.d policy interface - "action forbidden by policy"
_WAIT_FOR_OTHERS_S = 600


class SetUpError(Exception):
    """One clear sentence for whoever typed ``make``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that must be on the machine, how to see it, and which packages bring it."""

    packages: tuple[str, ...]
    is_met: Callable[[], bool]
    en: str
    vi: str
    services: tuple[str, ...] = ()
    """What these packages would start at the next boot; we run our own instead."""


def _has(*programs: str) -> Callable[[], bool]:
    return lambda: all(shutil.which(program) is not None for program in programs)


def _has_broker() -> bool:
    # Whoever has a broker says so, and then needs none here.
    places = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/rabbitmq/sbin/rabbitmq-server")
    return bool(os.environ.get("VANTHU_BROKER_URL")) or any(os.access(place, os.X_OK) for place in places)


def _has_font() -> bool:
    # Debian 12 has two: "liberation" is 1.07, which lacks the Vietnamese letters that "liberation2" has.
    return any(
        all(_is_vietnamese(folder / f"LiberationSerif-{face}.ttf") for face in ("Regular", "Bold", "Italic"))
        for folder in Path("/usr/share/fonts/truetype").glob("liberation*")
    )


def _is_vietnamese(font: Path) -> bool:
    # The font's table of glyph names holds plain ASCII; U+1EA0 is Adotbelow.
    return font.is_file() and b"Adotbelow" in font.read_bytes()


def _has_postgres() -> bool:
    return any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or shutil.which("initdb") is not None


BROKER = Need(
    packages=("rabbitmq-server",),
    is_met=_has_broker,
    en="RabbitMQ (or VANTHU_BROKER_URL with the address of yours)",
    vi="RabbitMQ (hoặc VANTHU_BROKER_URL trỏ tới máy chủ sẵn có)",
    services=("rabbitmq-server.service", "epmd.service", "epmd.socket"),
)
PDF_JUDGE = Need(
    packages=("poppler-utils",),
    is_met=_has("pdfsig", "pdftoppm"),
    en="pdfsig (the independent judge of sealed PDFs)",
    vi="pdfsig (công cụ độc lập kiểm tra chữ ký PDF)",
)
FONT = Need(
    packages=("fonts-liberation2",),
    is_met=_has_font,
    en="a font of Times New Roman's measures with Vietnamese letters",
    vi="phông chữ tiếng Việt có kích thước như Times New Roman",
)
SIGNATURE_JUDGES = Need(
    packages=("xmlsec1", "mupdf-tools"),
    is_met=_has("xmlsec1", "mutool"),
    en="xmlsec1 and mutool, which share no code with ours (for the tests)",
    vi="xmlsec1 và mutool, độc lập với mã của ta (để chạy kiểm thử)",
)
JAVA = Need(
    packages=("default-jdk-headless", "maven"),
    is_met=_has("javac", "mvn"),
    en="a JDK and Maven (for EU DSS, an independent judge)",
    vi="JDK và Maven (cho EU DSS, công cụ độc lập kiểm tra chữ ký)",
)
POSTGRES = Need(
    packages=("postgresql",),
    is_met=_has_postgres,
    en="PostgreSQL (for the tests)",
    vi="PostgreSQL (để chạy kiểm thử)",
    services=("postgresql.service",),
)
NODE = Need(
    packages=("nodejs", "npm"),
    is_met=_has("node", "npm"),
    en="Node with npm (for the tests)",
    vi="Node kèm npm (để chạy kiểm thử)",
)


def meet(needs: Sequence[Need]) -> list[str]:
    """Install what of *needs* is missing; answers the packages.  Raises ``SetUpError`` where that can't be."""
    missing = [need for need in needs if not need.is_met()]
    if not missing:
        return []
    packages = [package for need in missing for package in need.packages]
    become_root = _become_root()
    if shutil.which("apt-get") is None or become_root is None:
        raise _please_install(missing, packages)
    print(f"setting up: installing {' '.join(packages)}", flush=True)
    with no_service_starts(become_root):
        _install(become_root, packages)
    _leave_services_off(become_root, [service for need in missing for service in need.services])
    if still := [need for need in missing if not need.is_met()]:
        raise _please_install(still, [package for need in still for package in need.packages])
    return packages


def _please_install(missing: Sequence[Need], packages: Sequence[str]) -> SetUpError:
    command = f"apt-get install {' '.join(packages)}"
    return SetUpError(
        f"Missing on this machine: {'; '.join(need.en for need in missing)}. Install it, on Debian as root with "
        f"`{command}`, and run make again.\n"
        f"Máy này còn thiếu: {'; '.join(need.vi for need in missing)}. Hãy cài đặt, trên Debian dùng quyền root "
        f"với lệnh `{command}`, rồi chạy lại make."
    )


def _become_root() -> tuple[str, ...] | None:
    """What to put before a command so that root runs it; ``None`` where we may not."""
    if os.geteuid() == 0:
        return ()
    if shutil.which("sudo") is None:
        return None
    asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    return ("sudo", "-n") if asked.returncode == 0 else None


def _install(become_root: Sequence[str], packages: Sequence[str]) -> None:
    apt = [*become_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y"]
    apt += ["-o", "DPkg::Lock::Timeout=120"]
    install = [*apt, "-o", "Dpkg::Use-Pty=0", "install", "--no-install-recommends", *packages]
    # A fresh machine has no package lists, an old one has stale ones that name files long gone.
    has_lists = any(Path("/var/lib/apt/lists").glob("*_Packages*"))
    if has_lists and _run(install).returncode == 0:
        return
    updated = _run([*apt, "update"])
    installed = _run(install)
    if installed.returncode != 0:
        detail = (updated.stdout + installed.stdout).strip()
        raise SetUpError(
            f"apt-get could not install {' '.join(packages)} | apt-get không cài được:\n{detail[-2000:]}"
        )


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@contextlib.contextmanager
def no_service_starts(become_root: Sequence[str], policy: Path = POLICY) -> Iterator[None]:
    """While inside, no package starts a service.  Leaves the machine as it was, whatever happens inside.

    Raises ``SetUpError`` where the machine's administrator has a policy of its own that lets services
    start: that is not ours to change.
    """
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        if _put_policy(become_root, policy):
            try:
                yield
            finally:
                _run([*become_root, "rm", "-f", str(policy)])
        else:
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _put_policy(become_root: Sequence[str], policy: Path) -> bool:
    """Whether our policy now stands there (``False``: somebody's does, and it says no, too)."""
    deadline = time.monotonic() + _WAIT_FOR_OTHERS_S
    text = f"#!/bin/sh\n{_MARK}{os.getpid()}: no service is started while it installs packages.\nexit {_DENIED}\n"
    while True:
        # "set -C" makes the shell refuse to write over a file: who comes second sees the first one's.
        made = subprocess.run(
            [*become_root, "sh", "-c", f'set -C; umask 022; cat > "{policy}" && chmod 755 "{policy}"'],
            input=text,
            text=True,
            capture_output=True,
            check=False,
        )
        if made.returncode == 0:
            return True
        standing = _read(policy)
        if _MARK not in standing:
            asked = subprocess.run([policy, "rabbitmq-server", "start"], capture_output=True, check=False)
            if asked.returncode == _DENIED:
                return False
            raise SetUpError(
                f"{policy} lets packages start their services: install the packages by hand, we leave it alone | "
                f"{policy} cho phép gói khởi động dịch vụ: hãy tự cài các gói, chúng tôi không sửa tệp này"
            )
        owner = standing.partition(_MARK)[2].partition(":")[0]
        if not Path(f"/proc/{owner}").exists():
            # Another set-up was killed before it could tidy up.
            _run([*become_root, "rm", "-f", str(policy)])
        elif time.monotonic() > deadline:
            raise SetUpError(f"another set-up (process {owner}) has been installing for ten minutes")
        else:
            time.sleep(0.5)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _leave_services_off(become_root: Sequence[str], services: Sequence[str]) -> None:
    """What we installed stays off at the next boot, too; we run private ones."""
    if services and shutil.which("systemctl") is not None:
        _run([*become_root, "systemctl", "disable", *services])


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
