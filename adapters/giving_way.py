"""Runs a module that leaves the processors to everybody else before it is even loaded.

python -P -m adapters.giving_way MODULE

What loads much, and is begun for one file, else competes for as long as loading takes: half a second of a processor for a
PDF library.
"""

from __future__ import annotations

import runpy
import sys

from adapters.limits import GIVES_WAY, give_way
from adapters.processors import leave_half
from adapters.resting import resting


def main() -> None:
    """Give way, then be *MODULE*."""
    give_way(GIVES_WAY)
    leave_half()
    with resting():
        runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
