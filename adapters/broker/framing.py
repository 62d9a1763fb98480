"""Frames that carry bodies, read and written without copies of the bodies.

Strategy: a document of 300 KB is three frames in and three out, or one where the broker takes larger ones.  aiormq
and pamqp put each frame together in a buffer, take it out, cut it, and join it again: some ten copies of every
document.  ``install`` exchanges the four places where they do; what is no body is theirs as before.  The versions are
locked, and the contract tests run over it.

spec: AMQP 0-9-1, 2.3.5 frame details - type, channel, size, payload, frame-end
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable
from typing import Any

import aiormq.connection
from aiormq import spec
from aiormq.abc import ChannelFrame, DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import AMQPConnectionError, InvalidFrameError
from pamqp import constants, frame
from pamqp.body import ContentBody
from pamqp.exceptions import PAMQPException
from pamqp.header import ContentHeader

from adapters.broker.wire import Wire, Wires

_HEAD = struct.Struct(">BHI")
_HEAD_BYTES = _HEAD.size
_WORTH_PIECES = 32 * 1024
"""To send fewer bytes in pieces takes longer than to join them."""
_marshalled = ChannelFrame.marshall


def install() -> None:
    """Make this process read and write so.  May be called twice."""
    aiormq.connection.FrameReceiver = _Receiver  # type: ignore[misc]
    ChannelFrame.marshall = classmethod(_marshall)  # type: ignore[method-assign,assignment]
    Channel._split_body = _split  # type: ignore[method-assign,assignment]
    Channel._read_content = _content  # type: ignore[method-assign,assignment]


class _Receiver(aiormq.connection.FrameReceiver):
    """Cuts frames out of a ``Wire``."""

    async def get_frame(self) -> Any:
        """The bytes of the frame, its channel, and what it is."""
        wire: object = self.reader
        if not isinstance(wire, Wire) or not self.started or wire.at_eof():
            return await super().get_frame()
        try:
            await wire.next_frame(_HEAD_BYTES)
            kind, channel, size = _HEAD.unpack(wire.look(0, _HEAD_BYTES))
            whole = _HEAD_BYTES + size + 1
            await wire.here(whole)
        except asyncio.IncompleteReadError as cut:
            raise AMQPConnectionError("the broker has closed the connection") from cut
        except OSError as lost:
            raise AMQPConnectionError(f"the connection to the broker was lost: {lost!r}") from lost
        if kind == constants.FRAME_BODY and wire.look(whole - 1, 1) == constants.FRAME_END_CHAR:
            wire.skip(_HEAD_BYTES)
            body = ContentBody(wire.take(size))
            wire.skip(1)
            return whole, channel, body
        try:
            return frame.unmarshal(wire.take(whole))
        except PAMQPException as broken:
            raise InvalidFrameError(str(broken)) from broken


def _marshall(
    cls: type[ChannelFrame],
    channel_number: int,
    frames: Iterable[Any],
    drain_future: asyncio.Future[Any] | None = None,
) -> ChannelFrame:
    frames = list(frames)
    if any(isinstance(one, spec.Connection.CloseOk) for one in frames):
        return _marshalled(channel_number, frames, drain_future)
    parts: list[bytes] = []
    in_pieces = False
    for one in frames:
        if isinstance(one, ContentBody):
            head = _HEAD.pack(constants.FRAME_BODY, channel_number, len(one.value))
            parts += (head, one.value, constants.FRAME_END_CHAR)
            in_pieces = in_pieces or isinstance(one, _Piece)
        else:
            parts.append(frame.marshal(one, channel_number))
    payload: Any = parts if in_pieces else b"".join(parts)
    return cls(payload=payload, drain_future=drain_future, should_close=False)


async def _content(channel: Channel, told: Any, header: ContentHeader) -> DeliveredMessage:
    pieces: list[bytes] = []
    left = header.body_size or 0
    while left > 0:
        piece = await channel._get_frame()
        if not isinstance(piece, ContentBody):
            raise ValueError(f"Unexpected frame {piece!r}", piece)
        pieces.append(piece.value)
        left -= len(piece.value)
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return DeliveredMessage(delivery=told, header=header, body=body, channel=channel)


class _Piece(ContentBody):
    """A part of a body on its way through a ``Wire``, which takes what it sends in pieces."""


def _split(channel: Channel, body: bytes) -> list[ContentBody]:
    whole, most = memoryview(body), channel.max_content_size
    is_wired = isinstance(getattr(channel.connection, "_transport_factory", None), Wires)
    kind = _Piece if is_wired and len(body) >= _WORTH_PIECES else ContentBody
    return [
        kind(whole[at : at + most])  # type: ignore[arg-type]  # any buffer will do
        for at in range(0, len(body), most)
    ]
