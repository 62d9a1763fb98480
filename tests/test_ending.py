"""A process that is to end is gone within a limit, whatever holds it (promise 6)."""

from __future__ import annotations

import subprocess
import sys

from gateway.wiring.ending import STOPPED_HARD

_HELD = """
import threading, time
from datetime import timedelta
from gateway.wiring.ending import end_within
threading.Thread(target=time.sleep, args=(3600,)).start()  # what an interpreter waits for at its end
end_within(timedelta(milliseconds=50))
try:
    time.sleep(3600)
finally:
    print("in order")
"""


def test_a_process_that_is_held_is_ended_hard() -> None:
    done = subprocess.run([sys.executable, "-c", _HELD], capture_output=True, check=False, timeout=20)
    assert (done.returncode, done.stdout) == (STOPPED_HARD, b"")


def test_one_that_ends_in_time_is_not_waited_for() -> None:
    program = "from datetime import timedelta; from gateway.wiring.ending import end_within; end_within(timedelta(hours=1))"
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=20)
    assert done.returncode == 0
