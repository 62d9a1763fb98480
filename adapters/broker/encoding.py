"""The properties of a message that we publish, written as AMQP 0-9-1 has them.

pamqp asks each property for its type by name and checks it again: for the three messages that a document costs,
that took as long as signing the evidence of one.  Ours are of one shape, so it is written down here.

spec: AMQP 0-9-1, 4.2.6 content framing (flags), 4.2.5 data types; RabbitMQ's errata for field tables
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import datetime

from aiormq import spec
from pamqp import encode

PERSISTENT = 2
"""spec: AMQP 0-9-1, basic - delivery-mode: 1 non-persistent, 2 persistent"""

_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE = 1 << 15, 1 << 13, 1 << 12
_PRIORITY, _CORRELATION_ID, _EXPIRATION = 1 << 11, 1 << 10, 1 << 8
_MESSAGE_ID, _TIMESTAMP, _TYPE = 1 << 7, 1 << 6, 1 << 5
_ALWAYS = _CONTENT_TYPE | _HEADERS | _DELIVERY_MODE | _CORRELATION_ID | _MESSAGE_ID | _TIMESTAMP | _TYPE
_PERSISTENT = bytes([PERSISTENT])
_LONG = struct.Struct(">I")
_FLAGS = struct.Struct(">H")
_SECONDS = struct.Struct(">Q")


class Properties(spec.Basic.Properties):
    """The properties of a persistent message; aiormq publishes them as they are.

    *expiration* is in milliseconds.  Raises ``ValueError`` where a text has more than 255 bytes.
    """

    def __init__(
        self,
        *,
        content_type: str,
        headers: Mapping[str, str | int],
        correlation_id: str,
        message_id: str,
        timestamp: datetime,
        kind: str,
        expiration: int | None = None,
        priority: int | None = None,
    ) -> None:
        self.message_id = message_id
        flags = _ALWAYS
        parts = [b"", _short(content_type), _table(headers), _PERSISTENT]
        if priority is not None:
            flags |= _PRIORITY
            parts.append(bytes([priority]))
        parts.append(_short(correlation_id))
        if expiration is not None:
            flags |= _EXPIRATION
            parts.append(_short(str(expiration)))
        parts += (_short(message_id), _SECONDS.pack(int(timestamp.timestamp())), _short(kind))
        parts[0] = _FLAGS.pack(flags)
        self._encoded = b"".join(parts)

    def marshal(self) -> bytes:
        """Flags and values, as they go on the wire."""
        return self._encoded


def _short(text: str) -> bytes:
    encoded = text.encode()
    return bytes([len(encoded)]) + encoded


def _table(fields: Mapping[str, str | int]) -> bytes:
    parts = []
    for name, value in fields.items():
        parts.append(_short(name))
        if isinstance(value, str):
            encoded = value.encode()
            parts += (b"S", _LONG.pack(len(encoded)), encoded)
        else:
            parts.append(encode.table_integer(value))
    table = b"".join(parts)
    return _LONG.pack(len(table)) + table
