"""What the gateway logs on a journey is kept, not printed: a traceback with colours takes longer than a journey."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """The lines that were logged."""
    with capture_logs() as lines:
        yield lines
