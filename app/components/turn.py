"""Whose click is at work: raters' clicks are served one after the other.

Ten threads that contend for one interpreter all end ten times as late, and the switching comes on top: with turns, ten
raters without a pause gave 91 votes a second instead of 72.
"""

from __future__ import annotations

import threading

PATIENCE_S = 1.0  # after which a click is served out of its turn, whatever holds the one before it
_turns = threading.Semaphore(1)
_mine = threading.local()


def take() -> None:
    """Wait for this thread's turn; it ends with the run of the script, see ``app.tuning``.

    For the first line of a callback: Streamlit can drop a click until its callback has begun, and not any more then.
    """
    if not getattr(_mine, "is_held", False):
        _mine.is_held = _turns.acquire(timeout=PATIENCE_S)


def give_back() -> None:
    """End this thread's turn, if it has one."""
    if getattr(_mine, "is_held", False):
        _mine.is_held = False
        _turns.release()
