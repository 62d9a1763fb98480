"""Fixtures of the service tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.broker.node import PrivateNode
from tests.service.exchange import Broker, emptied


@pytest.fixture
async def broker(broker_node: PrivateNode) -> AsyncIterator[Broker]:
    """A virtual host of our own on the private node, as the contract says and empty."""
    async with emptied(broker_node) as made:
        yield made
