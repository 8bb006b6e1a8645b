"""How long a vote takes with all that a study can ask switched on, for many raters, and what a session costs.

    python bench/voting.py            # 1, 10 and 100 raters
    python bench/voting.py --profile  # where the time of a vote goes, inside a run of the script
    python bench/voting.py --sessions # 1,000 sessions, one batch after the other: memory must not grow with them

Criteria, strength, reasons, comment, guess, attention checks, repeats, active sampling and normalised Markdown are on.
Speaks Streamlit's own protocol through shared/tools/load.py. SQLite with synchronous FULL, one process.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import profiled
from running import describe_machine, serving
from vote import measure, table

SETTINGS = (
    ("one rater, no pause", ["--raters", "1", "--votes", "150"]),
    ("10 raters, no pause", ["--raters", "10", "--votes", "60"]),
    # The first round, in which all press at the same moment, is one vote in 30.
    ("100 raters thinking 5 s", ["--raters", "100", "--votes", "30", "--think", "5"]),
)


def measure_sessions() -> None:
    """Ten times a hundred raters who vote twice and leave; Streamlit keeps a session that was left for two minutes."""
    with serving(everything=True) as server:
        for batch in range(1, 11):
            arguments = ["--raters", "100", "--votes", "2", "--first", str(100 * batch)]
            out = measure(server, arguments)
            held, each = out["server"]["rss_mb_end"], out["server"]["kB_per_session"]
            print(
                f"{100 * batch:5} sessions: {held:.0f} MB, {each:.0f} kB each while loaded, "
                f"{sum(out['errors'].values())} errors",
                flush=True,
            )
            time.sleep(5)


def show_profile(n_votes: int = 300) -> None:
    """One rater's votes under a profiler."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "profile"
        with serving(everything=True, command=(profiled.__file__, str(out))) as server:
            measure(server, ["--raters", "1", "--votes", str(n_votes)])
        print(profiled.report(out, n_votes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    print(describe_machine())
    if options.sessions:
        measure_sessions()
        return
    if options.profile:
        show_profile()
        return
    with serving(everything=True) as server:
        table(server, SETTINGS)


if __name__ == "__main__":
    main()
