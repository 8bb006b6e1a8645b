"""How long a generation job takes, and how large a grid of generations may be.

    python bench/generation.py            # 1,000 prompts x 4 models, 200 ms an answer, 64 at a time
    python bench/generation.py --grid     # the Generations page with 100,000 generations in the database

The endpoint is a process of its own on loopback that speaks OpenAI's protocol with streaming and ends by itself; the
ideal is what it would take if Bakeoff cost nothing: 4,000 answers / 64 at a time x 200 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from running import describe_machine

DELAY_S, AT_ONCE, N_PROMPTS, N_MODELS = 0.2, 64, 1000, 4
CHUNKS = [
    *(
        {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
        for word in ("Yes", ", and ", "no.")
    ),
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 4}},
]
BODY = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in CHUNKS).encode() + b"data: [DONE]\n\n"
HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
            await asyncio.sleep(DELAY_S)
            writer.write(HEAD + BODY)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server, asyncio.timeout(180):
        await server.serve_forever()


def wait_for(job_id: Any) -> Any:
    """Look twice a second, as the page does, until the job has ended; where it stands then."""
    from app.jobs import worker
    from app.services import job_progress

    worker.wake_worker()
    while (progress := job_progress.get_progress(None, job_id)).is_open:
        time.sleep(0.5)
    return progress


def run_job() -> None:
    """A job through the queue, as the server runs it."""
    from app.jobs import worker
    from app.services import generation_jobs, models, prompt_sets

    endpoint = subprocess.Popen([sys.executable, __file__, "--endpoint"], stdout=subprocess.PIPE, text=True)
    try:
        assert endpoint.stdout is not None
        address = f"127.0.0.1:{endpoint.stdout.readline().strip()}"
        prompts = "\n".join(json.dumps({"id": str(n), "prompt": f"Question {n}?"}) for n in range(N_PROMPTS))
        prompt_set = prompt_sets.import_prompts(None, io.BytesIO(prompts.encode()), name="Questions")
        models.allow_address(None, address)
        draft = {"connector": "openai_compatible", "provider_id": "m", "concurrency": AT_ONCE}
        settings = {"base_url": f"http://{address}/v1"}
        ids = [
            models.create_model(None, models.ModelDraft(name=f"Model {n}", settings=settings, **draft))
            for n in range(N_MODELS)
        ]
        # What a server does once, when its first job begins: it loads the durable queue.
        worker.start_worker()
        first = io.BytesIO(b'{"id": "0", "prompt": "Ready?"}')
        began = time.perf_counter()
        ready = prompt_sets.import_prompts(None, first, name="Ready")
        job_id, _ = generation_jobs.start_job(None, prompt_set_id=ready.id, model_ids=ids[:1])
        wait_for(job_id)
        print(f"a first job of one output: {time.perf_counter() - began:.1f} s")
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        began, cpu = time.perf_counter(), time.process_time()
        job_id, n = generation_jobs.start_job(None, prompt_set_id=prompt_set.id, model_ids=ids)
        progress = wait_for(job_id)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        worker.stop_worker()
    finally:
        endpoint.kill()
    ideal = N_PROMPTS * N_MODELS / AT_ONCE * DELAY_S
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - memory
    asked = f"asking took {progress.asked_s:.1f} s"
    print(f"{n:,} outputs: {took:.1f} s, {took / ideal:.2f} times the ideal {ideal:.1f} s; {asked}")
    print(f"processor {cpu:.1f} s, {1000 * cpu / n:.1f} ms an output; memory grown by {grown:.0f} MB")


def draw_grid() -> None:
    """What the Generations page asks the services for, with 100,000 generations."""
    from app.connectors._protocol import Sampling
    from app.services import coverage, generation_jobs, generations, job_progress, models, prompt_sets

    prompts = "\n".join(json.dumps({"id": str(n), "prompt": f"Question {n}?"}) for n in range(5000))
    prompt_set = prompt_sets.import_prompts(None, io.BytesIO(prompts.encode()), name="Questions")
    ids = [models.create_model(None, models.ModelDraft(name=f"M{n}", connector="echo")) for n in range(20)]
    began = time.perf_counter()
    job_id, n = generation_jobs.start_job(None, prompt_set_id=prompt_set.id, model_ids=ids)
    print(f"{n:,} generations stored as waiting: {time.perf_counter() - began:.1f} s")
    wanted = {"prompt_set_id": prompt_set.id, "model_ids": ids}
    for name, act in (
        ("grid", lambda: coverage.get_coverage(None, prompt_set.id)),
        ("progress", lambda: job_progress.get_progress(None, job_id)),
        ("models", lambda: generations.list_models(None)),
        ("missing", lambda: generation_jobs.count_missing(None, **wanted, sampling=Sampling())),
    ):
        times = []
        for _ in range(5):
            began = time.perf_counter()
            act()
            times.append(time.perf_counter() - began)
        print(f"{name}: {sorted(times)[2]:.2f} s")


def draw_page() -> None:
    """The Generations page itself, by Streamlit's own tester, over outputs of 500 characters."""
    from sqlalchemy import update
    from streamlit.testing.v1 import AppTest

    from app.domain import GenerationStatus, Role
    from app.services import sign_in
    from db.engine import database
    from db.tables import Generation, Job

    with database().write() as session:
        parts = [{"type": "text", "text": "word " * 100}]
        session.execute(update(Generation).values(status=GenerationStatus.OK, parts=parts))
        session.execute(update(Job).values(status="done"))
    link = sign_in.create_invite(None, role=Role.ADMIN)
    root = Path(__file__).resolve().parents[1]
    page = AppTest.from_file(str(root / "app" / "ui.py"), default_timeout=60)
    page.user = {"session": sign_in.hash_token(sign_in.open_link(link.partition("token=")[2]))}
    page.run()
    times = []
    for _ in range(4):
        began = time.perf_counter()
        page.switch_page(str(root / "pages" / "generations.py")).run()
        times.append(time.perf_counter() - began)
    if page.exception:
        sys.exit("the page failed")
    print(f"page: first visit {times[0]:.2f} s (loads pandas and Altair), later {sorted(times[1:])[1]:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--grid", action="store_true")
    options = parser.parse_args()
    if options.endpoint:
        asyncio.run(_serve())
        return
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BAKEOFF_DATA"] = str(Path(folder))
        from app.services.system import prepare_database

        prepare_database()
        if options.grid:
            draw_grid()
            draw_page()
        else:
            run_job()


if __name__ == "__main__":
    main()
