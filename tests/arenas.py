"""Small arenas for tests, and endpoints on loopback that stream fast or slowly, stall, break or say nonsense."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from app.domain import Answer, Identity, Kind, Role, utc_now
from app.jobs.arena import streams
from app.services import arena, experiments, models, sign_in, system
from app.services.arena import ArenaScreen, Phase
from app.services.model_drafts import ModelDraft
from app.study import arena_of, asks_of
from db.engine import Database
from db.tables import Generation
from tests.server import Server

# What an endpoint does with a question: yields (seconds to wait, text to send), or raises Break.
Manner = Callable[[str], Any]


class Break(Exception):  # noqa: N818
    """The connection ends here, in the middle of the answer."""


class StreamingEndpoint(ThreadingHTTPServer):
    """OpenAI's chat completions in the manner of ``manner``; ``status`` other than 200 is said at once."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, manner: Manner, *, status: int = 200, raw: bytes = b"", finish: str = "stop") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.manner, self.status, self.raw, self.finish = manner, status, raw, finish
        self.bodies: list[dict[str, Any]] = []
        self.n_at_once = self.most_at_once = 0
        self.n_left = 0  # connections that were closed on the way
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> StreamingEndpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        pass


class _Handler(BaseHTTPRequestHandler):
    server: StreamingEndpoint

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.n_at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.n_at_once)
        try:
            self._answer(body["messages"][-1]["content"])
        except (BrokenPipeError, ConnectionResetError):
            self.server.n_left += 1
        except Break:
            pass
        finally:
            self.close_connection = True
            with self.server.lock:
                self.server.n_at_once -= 1

    def _answer(self, question: str) -> None:
        status = self.server.status
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream" if status == 200 else "application/json")
        self.end_headers()
        if self.server.raw or status != 200:
            self.wfile.write(self.server.raw or b'{"error": {"message": "SecretLab is down"}}')
            return
        for seconds, words in self.server.manner(question):
            time.sleep(seconds)
            self._send({"choices": [{"delta": {"content": words}, "finish_reason": None}]})
        self._send({"choices": [{"delta": {}, "finish_reason": self.server.finish}]})
        self._send({"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 500}})
        self.wfile.write(b"data: [DONE]\n\n")

    def _send(self, chunk: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps({"model": "loopback-1", **chunk}).encode() + b"\n\n")
        self.wfile.flush()


def steadily(text: str, *, words_per_s: float = 1000.0, first_s: float = 0.0) -> Manner:
    """Word by word at one speed; ``{}`` in the text is the question."""

    def manner(question: str) -> Any:
        for i, word in enumerate(text.replace("{}", question).split(" ")):
            yield (first_s if not i else 1 / words_per_s), (" " if i else "") + word

    return manner


def breaking(text: str) -> Manner:
    """Some words, then the connection is gone."""

    def manner(_question: str) -> Any:
        yield 0.0, text
        yield 0.3, "and"
        raise Break

    return manner


def stalling(text: str, seconds: float = 60.0) -> Manner:
    """Some words, then nothing for long."""

    def manner(_question: str) -> Any:
        yield 0.0, text
        yield seconds, "late"

    return manner


def add_model(name: str, endpoint: StreamingEndpoint | str, **options: Any) -> UUID:
    """A model that is asked at this endpoint."""
    host = endpoint if isinstance(endpoint, str) else endpoint.host
    models.allow_address(None, host)
    settings = {"base_url": f"http://{host}/v1"}
    draft = ModelDraft(name, connector="openai_compatible", provider_id=f"{name}-id", settings=settings, **options)
    return models.create_model(None, draft)


def add_echo(name: str, **settings: object) -> UUID:
    """A model that needs no endpoint."""
    return models.create_model(None, ModelDraft(name, connector="echo", settings={"length": 8} | settings))


def start_arena(*model_ids: UUID, title: str = "Ask anything", **design: Any) -> UUID:
    """A running arena."""
    rules = {"min_dwell_ms": 0, "votes_per_pair": 1000} | design
    study = experiments.create_experiment(
        None, title=title, prompt_set_id=None, model_ids=model_ids, kind=Kind.ARENA, **rules
    )
    experiments.start_experiment(None, study)
    return study


def seen(rater: Identity) -> ArenaScreen:
    """What the rater sees."""
    screen = arena.find_screen(rater)
    assert screen is not None
    return screen


def ask(rater: Identity, study: UUID, text: str) -> UUID:
    """Ask as the page does; returns the battle."""
    battle = arena.ask_prompt(rater, study, text)
    streams().begin(battle)
    return battle


def wait_for(rater: Identity, *phases: Phase, seconds: float = 20.0) -> ArenaScreen:
    """Look, as an open page does, until the conversation stands so and nothing is written any more."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        screen = seen(rater)
        assert screen.round is not None
        if streams().look(screen.round.battle_id) is None and screen.round.phase in phases:
            return screen
        time.sleep(0.05)
    raise AssertionError(f"still {seen(rater).round}")


def echoes(n: int = 2, **design: object) -> UUID:
    """An arena of models that answer at once."""
    return start_arena(*(add_echo(f"Echo {i}") for i in range(n)), **design)


def vote(rater: Identity, study: UUID, answer: Answer = Answer.LEFT) -> None:
    """Vote on what the rater sees."""
    screen = seen(rater)
    assert screen.round is not None
    arena.cast(rater, study, screen.round.battle_id, answer, n_turns=len(screen.round.turns), drawn_at=utc_now())


def rows(store: Database, query: str) -> list[Any]:
    """What a query finds."""
    with store.read() as session:
        return list(session.execute(text(query)))


def of_generations(store: Database) -> list[Any]:
    """All answers, in the order of their asking."""
    with store.read() as session:
        return list(session.execute(select(*Generation.__table__.c).order_by(Generation.__table__.c.id)))


def seed(server: Server, endpoints: Mapping[str, StreamingEndpoint], **design: Any) -> tuple[UUID, str, str]:
    """A running arena in a server's database: its id, a link for raters and one for an admin."""
    hosts = {name: endpoint.host for name, endpoint in endpoints.items()}
    made = json.loads(server.run("-m", "tests.arenas", json.dumps([hosts, design])))
    return UUID(made[0]), made[1], made[2]


def main() -> None:
    hosts, design = json.loads(sys.argv[1])
    system.prepare_database()
    rules = arena_of(design.pop("arena", {}))
    if "asks" in design:
        design["asks"] = asks_of(design["asks"])
    study = start_arena(*(add_model(name, host) for name, host in hosts.items()), arena=rules, **design)
    rater = sign_in.create_invite(None, role=Role.RATER, experiment_id=study, max_uses=100)
    print(json.dumps([str(study), rater, sign_in.create_invite(None, role=Role.ADMIN)]))


if __name__ == "__main__":
    main()
