"""What the folder of a private RabbitMQ node holds: password, ports, and settings that shut everything else out."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from gateway.errors import ConfigError

LOOPBACK = "127.0.0.1"
_FRAME_BYTES = 512 * 1024
"""What one frame may have: a document as a rule, instead of a third of it (docs/adr/0027-bytes-lie-still.md)."""
EMULATOR_ARGUMENTS = "+sbt u +SDio 2"
"""What Erlang is told besides what RabbitMQ tells it: the machine is the gateway's, too (``docs/adr/0029-free-schedulers.md``).

spec: Erlang, erl(1) - ``+sbt u``: no scheduler keeps to a processor, as RabbitMQ would have it; ``+SDio``: so many threads
for files, instead of ten.
"""
_NODE_NAME = "vanthu@localhost"
_PORT_NAMES = ("amqp", "management", "distribution", "epmd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the private node runs.  Only *folder* must be said."""

    folder: Path
    """Data, log, ports and password; made when absent, readable by its owner only."""
    server: Path | None = None
    """The ``rabbitmq-server`` script itself (not Debian's wrapper); looked for when absent."""
    vhost: str = "vanthu"
    user: str = "vanthu-gateway"
    start_within: timedelta = timedelta(seconds=90)
    """A node with data takes 3 to 6 s on two idle cores; a busy machine may need many times that."""
    stop_within: timedelta = timedelta(seconds=30)
    """After that the node is killed; durable queues lose nothing by it."""
    message_limit_bytes: int = 16 * 1024 * 1024
    """RabbitMQ's own default since 4.0; said here because 3.x allows 128 MiB."""
    ack_timeout: timedelta = timedelta(minutes=30)
    disk_free_limit_bytes: int = 64 * 1024 * 1024
    """Publishers are blocked below it.  RabbitMQ 3.x's default is 50 MB, later ones suggest the RAM's size."""
    memory_share: float = 0.4
    """Publishers are blocked when the node uses more of the machine's memory than this."""
    queues: int = 0
    """How many quorum queues there will be, as far as is known.  Each counts itself every 5 s, which with four thousand
    takes a seventh of a processor for nothing: the more there are, the less often."""
    wal_limit_bytes: int = 128 * 1024 * 1024
    """Quorum queues' shared log is rolled over at this size, and each queue then writes and syncs a file of its own: all
    that is on its way waits for it meanwhile, the longer the more there is (docs/adr/0028).  RabbitMQ's default of
    512 MiB is also held in memory."""


_TICK_MS = 5_000
"""RabbitMQ's own: how soon what the management interface tells of a queue's length is true again."""
_MOST_TICK_MS = 30_000


class NodeFolder:
    """The files in one folder; the same folder always makes the same node."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.path = options.folder.absolute()
        self.log = self.path / "log"
        self.start_log = self.log / "start.log"

    def prepare(self) -> str:
        """Make what is missing; answers the password of the gateway's user."""
        for folder in (self.path, self.log):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        password = _secret(self.path / "password", 0o600)
        # Erlang would make a cookie of its own, from a weak source in old versions.
        _secret(self.path / ".erlang.cookie", 0o400)
        (self.path / "enabled_plugins").write_text("[rabbitmq_management].\n")
        # Present, so that nothing of the machine's own broker in /etc/rabbitmq is read.
        (self.path / "rabbitmq-env.conf").write_text("")
        tick_ms = min(max(_TICK_MS, 5 * self._options.queues), _MOST_TICK_MS)
        (self.path / "advanced.config").write_text(f"[{{rabbit, [{{quorum_tick_interval, {tick_ms}}}]}}].\n")
        return password

    def choose_ports(self) -> Mapping[str, int]:
        """The loopback ports by name: those of last time where they are still free, else new ones."""
        path = self.path / "ports.json"
        try:
            last = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            last = {}
        ports: dict[str, int] = {}
        for name in _PORT_NAMES:
            port = last.get(name)
            while not isinstance(port, int) or port in ports.values() or not is_free(port):
                port = _some_port()
            ports[name] = port
        _write_private(path, json.dumps(ports))
        return ports

    def write_configuration(self, ports: Mapping[str, int], password: str) -> None:
        """Write ``rabbitmq.conf``: every setting that we count on, whatever the version's default is."""
        self.start_log.write_text("")
        options = self._options
        lines = {
            "listeners.tcp.1": f"{LOOPBACK}:{ports['amqp']}",
            "management.tcp.ip": LOOPBACK,
            "management.tcp.port": ports["management"],
            # Users and vhost of an empty node; there is never a "guest".
            "default_vhost": options.vhost,
            "default_user": options.user,
            "default_pass": password,
            "default_user_tags.administrator": "true",
            "default_permissions.configure": ".*",
            "default_permissions.read": ".*",
            "default_permissions.write": ".*",
            "max_message_size": options.message_limit_bytes,
            "frame_max": _FRAME_BYTES,
            "consumer_timeout": round(options.ack_timeout.total_seconds() * 1000),
            "disk_free_limit.absolute": options.disk_free_limit_bytes,
            "vm_memory_high_watermark.relative": options.memory_share,
            "raft.wal_max_size_bytes": options.wal_limit_bytes,
            "log.console": "false",
            "log.file": "node.log",
            "log.file.level": "info",
            "log.file.rotation.size": 10 * 1024 * 1024,
            "log.file.rotation.count": 3,
        }
        _write_private(
            self.path / "rabbitmq.conf", "".join(f"{key} = {value}\n" for key, value in lines.items())
        )

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """The node's whole environment: nothing of ours, and nothing of the machine's broker, leaks in."""
        # RabbitMQ 3.10 dies in its management plugin where a path has letters beyond Latin-1, as Vietnamese
        # has; its working directory is the folder, and this is that folder's name in plain letters.
        folder = self.path if str(self.path).isascii() else Path("/proc/self/cwd")
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "VANTHU_NODE": str(self.path),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(ports["epmd"]),
            # For every Erlang that starts here, also the short-lived ones: the distribution port would
            # otherwise be open on all interfaces.
            "ERL_AFLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # A dump holds the messages in memory, perhaps a state secret's.  spec: Erlang, erl(1) - 0: none
            "ERL_CRASH_DUMP_SECONDS": "0",
            "ERL_CRASH_DUMP": "/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": EMULATOR_ARGUMENTS,
            # The script then becomes the node instead of waiting for it: one process id to watch.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": _NODE_NAME,
            "RABBITMQ_DIST_PORT": str(ports["distribution"]),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(folder / "no-more-configuration"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "data" / "generated"),
            "RABBITMQ_PLUGINS_EXPAND_DIR": str(folder / "data" / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "data" / "node.pid"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
        }


def find_server(configured: Path | None = None) -> Path:
    """The ``rabbitmq-server`` script on this machine; raises ``ConfigError`` that says what to install."""
    if configured is not None:
        if not os.access(configured, os.X_OK):
            raise ConfigError(f"[broker] server: {configured} is no program")
        return configured
    # Debian's /usr/sbin/rabbitmq-server changes to the user rabbitmq: not for a node of our own.
    places = [Path("/usr/lib/rabbitmq/bin/rabbitmq-server"), Path("/opt/rabbitmq/sbin/rabbitmq-server")]
    for place in places:
        if os.access(place, os.X_OK):
            return place
    raise ConfigError(
        "no RabbitMQ on this machine: install the package rabbitmq-server or set [broker] url | "
        "máy này chưa có RabbitMQ: hãy cài gói rabbitmq-server hoặc đặt [broker] url"
    )


def find_epmd() -> str:
    """Erlang's port mapper; raises ``ConfigError`` that says what to install."""
    found = _find_of_erlang("epmd")
    if found is None:
        raise ConfigError("no epmd on this machine: install the package erlang-base")
    return found


def farewell() -> Sequence[str]:
    """What makes a node stop in one second instead of six; nothing where Erlang came without ``erl_call``.

    A node that is told to stop waits for its management plugin, which on its way out asks the very process
    that waits for it to switch the counters off, for five seconds (RabbitMQ 3.10, ``rabbit_mgmt_db_handler``).
    So the plugin is sent home first.  The cookie is in the node's environment: ``HOME``.
    """
    program = _find_of_erlang("erl_call")
    if program is None:
        return ()
    handler = "gen_event delete_handler [rabbit_event,rabbit_mgmt_db_handler,[]]"
    return (program, "-sname", _NODE_NAME, "-timeout", "1", "-a", handler)


def _find_of_erlang(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/lib/erlang/bin:/opt/erlang/bin")


def _some_port() -> int:
    # Below the range that the kernel gives to outgoing connections: one of those could otherwise sit on
    # our port just when the node is started again.
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    low, high = 15000, int(limits[0])
    return random.randrange(low, high) if high - low > 1000 else random.randrange(low, 65000)


def is_free(port: int) -> bool:
    """Whether a node could listen on *port* now."""
    # SO_REUSEADDR as the node does: connections that linger after a stop do not count, a listener does.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OSError:
            return False
    return True


def _secret(path: Path, mode: int) -> str:
    """The secret in *path*; made at the first time."""
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        text = ""
    if not text:
        text = secrets.token_hex(20)
        _write_private(path, text, mode)
    return text


def _write_private(path: Path, text: str, mode: int = 0o600) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
