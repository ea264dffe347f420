"""A process that performs runs leaves out of the search for garbage what was there before."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc
from runtime.collector import YOUNG, collect_rarely
collect_rarely()
frozen = gc.get_freeze_count()
assert frozen > 1000, frozen
assert gc.get_threshold()[0] == YOUNG
more = [[] for _ in range(1000)]
collect_rarely()
assert gc.get_freeze_count() == frozen, "what has come since then can become garbage"
loop = []
loop.append(loop)
del loop
assert gc.collect() > 0
"""


def test_what_is_there_is_left_out_once_and_what_comes_later_is_collected() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
