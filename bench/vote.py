"""How long a vote takes, from the click to the next battle, on a running server with the real data.

    python bench/vote.py            # three settings, twice each, as a table

Speaks Streamlit's own protocol through shared/tools/load.py. SQLite with synchronous FULL, one process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from running import LOAD, Server, describe_machine, serving

SETTINGS = (
    ("one rater, no pause", ["--raters", "1", "--votes", "150"]),
    # All press their first button at the same moment: one vote in 25, which the 95th centile leaves out.
    ("20 raters thinking 2 s", ["--raters", "20", "--votes", "25", "--think", "2"]),
    ("10 raters, no pause", ["--raters", "10", "--votes", "60"]),
)


def measure(server: Server, arguments: list[str]) -> dict[str, Any]:
    """One run of the load client."""
    command = [sys.executable, str(LOAD), server.url, "--json", "--pid", str(server.pid)]
    command += ["--login", server.links["rater"], "--label", "is better|Tie|Both are", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(server: Server, settings: Iterable[tuple[str, list[str]]]) -> None:
    """Measure each setting and print it as a line."""
    print(f"{'':28} votes/s   p50 ms   p95 ms   p99 ms  errors  MB  kB/session  neighbours' cores")
    for name, arguments in settings:
        out = measure(server, arguments)
        took, of_server = out["vote_ms"], out["server"]
        print(
            f"{name:28} {out['votes_per_s']:7} {took['p50']:8} {took['p95']:8} {took['p99']:8}  "
            f"{sum(out['errors'].values()):6} {of_server['rss_mb_end']:5.0f}  {of_server['kB_per_session']:9.0f}  "
            f"{out['others_cpu_share']}",
            flush=True,
        )


def main() -> None:
    print(describe_machine())
    with serving() as server:
        for name, seconds in server.seconds.items():
            print(f"{name}: {seconds:.1f} s")
        table(server, SETTINGS * 2)


if __name__ == "__main__":
    main()
