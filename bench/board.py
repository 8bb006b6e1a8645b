"""How long the leaderboard of 59 models and 8,931 real votes takes, from opening the page to the end of its run.

    python bench/board.py           # the first visit after the start, then five more

A researcher's page through Streamlit's own protocol (shared/tools/load.py); what the browser then draws comes on top.
"""

from __future__ import annotations

import asyncio
import importlib.util
import statistics
import sys
import time
from typing import Any

from running import LOAD, Server, describe_machine, serving


def load_client() -> Any:
    """The class that plays one browser tab."""
    spec = importlib.util.spec_from_file_location("load", LOAD)
    if spec is None or spec.loader is None:
        sys.exit(f"cannot read {LOAD}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["load"] = module
    spec.loader.exec_module(module)
    return module.Rater


async def visits(server: Server, n: int) -> list[float]:
    """Seconds of each of ``n`` visits by one signed-in researcher."""
    tab, took, cookies = load_client(), [], {}
    for _ in range(n):
        visitor = tab(server.url, path="leaderboard", query="study=real-votes", cookies=cookies)
        if not cookies:
            await visitor.login(server.links["researcher"])
            cookies = dict(visitor.cookies)
        async with visitor:
            took.append(await visitor.rerun())
            if visitor.exceptions or not any("bo-board" in repr(part.proto) for part in visitor.elements.values()):
                sys.exit("the board was not drawn")
    return took


def main() -> None:
    print(describe_machine())
    with serving() as server:
        time.sleep(3)  # the server warms up after its start; nobody opens a leaderboard in that second
        took = asyncio.run(visits(server, 6))
        for name, seconds in server.seconds.items():
            print(f"{name}: {seconds:.1f} s")
        print(f"leaderboard, first visit: {took[0]:.2f} s; later: median {statistics.median(took[1:]):.2f} s")


if __name__ == "__main__":
    main()
