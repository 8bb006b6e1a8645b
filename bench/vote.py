"""How long a vote takes, from the click to the next battle, on a running server with the real data.

    python bench/vote.py            # three settings, twice each, as a table

Speaks Streamlit's own protocol through shared/tools/load.py. SQLite with synchronous FULL, one process.
"""

from __future__ import annotations

import json
import subprocess
import sys

from running import LOAD, Server, describe_machine, serving

SETTINGS = (
    ("one rater, no pause", ["--raters", "1", "--votes", "150"]),
    ("20 raters thinking 2 s", ["--raters", "20", "--votes", "10", "--think", "2"]),
    ("10 raters, no pause", ["--raters", "10", "--votes", "60"]),
)


def measure(server: Server, arguments: list[str]) -> dict[str, object]:
    """One run of the load client."""
    command = [sys.executable, str(LOAD), server.url, "--json", "--pid", str(server.pid)]
    command += ["--login", server.links["rater"], "--label", "is better|Tie|Both are", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    print(describe_machine())
    with serving() as server:
        for name, seconds in server.seconds.items():
            print(f"{name}: {seconds:.1f} s")
        print(f"{'':24} votes/s   p50 ms   p95 ms   p99 ms  errors  MB  neighbours' cores")
        for _ in range(2):
            for name, arguments in SETTINGS:
                out = measure(server, arguments)
                took, of_server = out["vote_ms"], out["server"]
                print(
                    f"{name:24} {out['votes_per_s']:7} {took['p50']:8} {took['p95']:8} {took['p99']:8}  "
                    f"{sum(out['errors'].values()):6} {of_server['rss_mb_end']:5.0f}  {out['others_cpu_share']}"
                )


if __name__ == "__main__":
    main()
