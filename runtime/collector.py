"""How often Python looks for garbage that refers to itself, in a process that performs runs.

Such a process has some hundred thousand objects from its imports, which never become garbage, and makes and drops many
small ones for each step. With Python's own setting it looks at all of them again and again: a fifth of a step's work.
"""

from __future__ import annotations

import gc

YOUNG = 100_000
"""How many new objects lead to a look at the young ones; Python's own number is 700."""


def collect_rarely() -> None:
    """Leaves out what is there already, and looks at new objects less often. The first call of a process counts."""
    if gc.get_freeze_count():
        return
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)
