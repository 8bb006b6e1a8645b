"""The server with a profile of its runs of the script, for bench/voting.py --profile.

python bench/profiled.py OUT serve --port 8501   # OUT is written when the server ends
"""

from __future__ import annotations

import cProfile
import pstats
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from streamlit.runtime.scriptrunner.script_runner import ScriptRunner

from app import cli

_one = threading.Lock()  # Python 3.12 and newer profile one thread at a time
_profile = cProfile.Profile()
# What stands in the table: a name, and the functions whose time, with all that they call, it has.
PARTS = (
    ("a run of the script", "script_runner.py", "_run_script"),
    ("the click (callback)", "session_state.py", "on_script_will_rerun"),
    ("who it is: cookie looked up", "session.py", "identity"),
    ("vote stored, next one reserved", "voting.py", "cast_vote"),
    ("of it: the next battle chosen", "serving.py", "reserve_ballot"),
    ("of it: the commit to disk", "~", "<method 'commit' of 'sqlite3.Connection' objects>"),
    ("page: the ballot drawn", "vote.py", "_show_ballot"),
    ("messages to the browser put together", "delta_generator.py", "_enqueue"),
)


def _profiled(original: Any) -> Any:
    def run_script(self: Any, rerun_data: Any) -> None:
        if not _one.acquire(blocking=False):
            return original(self, rerun_data)
        _profile.enable()
        try:
            return original(self, rerun_data)
        finally:
            _profile.disable()
            _one.release()

    return run_script


def report(path: Path, n_votes: int) -> str:
    """A profile in ms per vote: the parts that a vote is made of, whose code it is spent in, and the dearest functions.

    The profiler itself costs about as much again as small functions do, so shares say more than sums.
    """
    stats: Any = pstats.Stats(str(path))
    rows = [(*place, *own[2:4]) for place, own in stats.stats.items()]
    lines = ["ms per vote, with all that is called:"]
    for label, file, function in PARTS:
        total = sum(cumulative for where, _, name, _, cumulative in rows if where.endswith(file) and name == function)
        lines.append(f"  {1000 * total / n_votes:6.2f}  {label}")
    owners: dict[str, float] = {}
    for where, _, _, own, _ in rows:
        owner = next((name for name in ("streamlit", "sqlalchemy", "sqlmodel") if f"/{name}/" in where), "")
        ours = "our code" if "/app/" in where or "/db/" in where or "/pages/" in where else "Python and C"
        owners[owner or ours] = owners.get(owner or ours, 0.0) + own
    lines.append("ms per vote, by whose code it is:")
    lines += [f"  {1000 * own / n_votes:6.2f}  {name}" for name, own in sorted(owners.items(), key=lambda x: -x[1])]
    lines.append("the dearest functions, ms per vote of their own:")
    dearest = sorted(rows, key=lambda row: -row[3])[:12]
    lines += [f"  {1000 * own / n_votes:6.2f}  {Path(where).name}:{name}" for where, _, name, own, _ in dearest]
    return "\n".join(lines)


def main() -> None:
    out = Path(sys.argv[1])
    sys.argv = ["bakeoff", *sys.argv[2:]]
    ScriptRunner._run_script = _profiled(ScriptRunner._run_script)  # type: ignore[method-assign]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # which uvicorn raises again when it has ended
    try:
        cli.main()
    finally:
        _profile.dump_stats(out)


if __name__ == "__main__":
    main()
