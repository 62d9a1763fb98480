"""Frames that carry bodies, read and written without copies of the bodies.

Strategy: a document of 300 KB is three frames in and three out.  aiormq and pamqp put each frame together in a buffer,
take it out, cut it, and join it again: some ten copies of every document.  ``install`` exchanges the three places where
they do; what is no body is theirs as before.  The versions are locked, and the contract tests run over it.

spec: AMQP 0-9-1, 2.3.5 frame details - type, channel, size, payload, frame-end
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable
from typing import Any

import aiormq.connection
from aiormq import spec
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from aiormq.exceptions import AMQPConnectionError, InvalidFrameError
from pamqp import constants, frame
from pamqp.body import ContentBody
from pamqp.exceptions import PAMQPException

_HEAD = struct.Struct(">BHI")
HEAD_BYTES = _HEAD.size
_marshalled = ChannelFrame.marshall


def install() -> None:
    """Make this process read and write so.  May be called twice."""
    aiormq.connection.FrameReceiver = _Receiver  # type: ignore[misc]
    ChannelFrame.marshall = classmethod(_marshall)  # type: ignore[method-assign,assignment]
    Channel._split_body = _split  # type: ignore[method-assign,assignment]


class _Receiver(aiormq.connection.FrameReceiver):
    """Reads a frame in two pieces: its head, and the rest of it."""

    async def get_frame(self) -> Any:
        """The bytes of the frame, its channel, and what it is."""
        if not self.started or self.reader.at_eof():
            return await super().get_frame()
        try:
            head = await self.reader.readexactly(HEAD_BYTES)
            kind, channel, size = _HEAD.unpack(head)
            rest = await self.reader.readexactly(size + 1)
        except asyncio.IncompleteReadError as cut:
            raise AMQPConnectionError("the broker has closed the connection") from cut
        except OSError as lost:
            raise AMQPConnectionError(f"the connection to the broker was lost: {lost!r}") from lost
        if kind == constants.FRAME_BODY and rest[-1] == constants.FRAME_END:
            return HEAD_BYTES + size + 1, channel, ContentBody(memoryview(rest)[:-1])  # type: ignore[arg-type]  # any buffer will do
        try:
            return frame.unmarshal(head + rest)
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
    for one in frames:
        if isinstance(one, ContentBody):
            head = _HEAD.pack(constants.FRAME_BODY, channel_number, len(one.value))
            parts += (head, one.value, constants.FRAME_END_CHAR)
        else:
            parts.append(frame.marshal(one, channel_number))
    return cls(payload=b"".join(parts), drain_future=drain_future, should_close=False)


def _split(channel: Channel, body: bytes) -> list[ContentBody]:
    whole, most = memoryview(body), channel.max_content_size
    return [
        ContentBody(whole[at : at + most])  # type: ignore[arg-type]  # any buffer will do
        for at in range(0, len(body), most)
    ]
