"""Everything that passes between a rater's browser and the server, and the search for what must not be in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from uuid import UUID

import streamlit

from app.components.text import to_markdown
from app.services.experiments import slug
from tests.server import ROOT, Server

# Files that every visitor of any such installation gets; what is byte for byte one of them says nothing about a study.
PUBLIC = (Path(streamlit.__file__).parent / "static", ROOT / "app/assets", ROOT / "app/static")


def _public_files() -> set[bytes]:
    return {hashlib.sha256(p.read_bytes()).digest() for folder in PUBLIC for p in folder.rglob("*") if p.is_file()}


Record = tuple[str, bytes]  # what it is, and its bytes


@dataclass(frozen=True)
class Wire:
    """A browser's whole traffic as it recorded it itself (HAR): ``records`` has all but the public files."""

    records: list[Record]
    n_public: int
    unread: set[str]  # addresses of answers whose body the browser did not keep; they should be none

    @property
    def frames(self) -> list[bytes]:
        """The websocket frames, both ways."""
        return [payload for what, payload in self.records if what.startswith("frame")]


def read_wire(har: Path) -> Wire:
    """All headers, addresses, bodies and websocket frames of a recording with embedded contents."""
    entries = json.loads(har.read_text())["log"]["entries"]
    records: list[Record] = []
    bodies: dict[str, list[bytes]] = {}
    without: set[str] = set()
    for entry in entries:
        url, status = entry["request"]["url"], entry["response"]["status"]
        content = entry["response"].pop("content")
        frames = entry.pop("_webSocketMessages", [])
        records.append((f"headers {url}", json.dumps(entry, ensure_ascii=False).encode()))
        records += [(f"frame {frame['type']} {url}", _decode(frame["data"], frame["opcode"] == 2)) for frame in frames]
        if "text" in content:
            bodies.setdefault(url, []).append(_decode(content["text"], content.get("encoding") == "base64"))
        elif status != 101 and not 300 <= status < 400:
            without.add(url)
    public = _public_files()
    told = [(f"body {url}", body) for url, found in bodies.items() for body in found]
    hidden = [(what, body) for what, body in told if hashlib.sha256(body).digest() not in public]
    # What came from the browser's cache has no body again; it was read when it first came.
    return Wire(records + hidden, len(told) - len(hidden), without - bodies.keys())


def _decode(text: str, is_base64: bool) -> bytes:
    return base64.b64decode(text) if is_base64 else text.encode()


def shown_texts(server: Server) -> list[bytes]:
    """Every form in which the texts of the battles served so far may stand in a frame, longest first."""
    found = set()
    rows = server.rows(
        "SELECT p.messages, a.parts AS parts_a, b.parts AS parts_b FROM battle x JOIN prompt p ON p.id = x.prompt_id "
        "JOIN generation a ON a.id = x.generation_a_id JOIN generation b ON b.id = x.generation_b_id"
    )
    for row in rows:
        for text in texts_of(row):
            for form in (text, to_markdown(text)):
                found |= {form, dedent(form).strip()}
    return sorted((text.encode() for text in found if text.strip()), key=len, reverse=True)


def texts_of(row: object) -> list[str]:
    """The messages of a row's prompt and the texts of its two generations."""
    messages, parts_a, parts_b = (json.loads(getattr(row, name)) for name in ("messages", "parts_a", "parts_b"))
    return [message["content"] for message in messages] + [
        part["text"] for part in (*parts_a, *parts_b) if "text" in part
    ]


@dataclass(frozen=True)
class Identities:
    """What would tell a model: names, provider ids, organisations and their slugs; ids in digits and in bytes."""

    words: dict[bytes, re.Pattern[bytes]]
    ids: tuple[re.Pattern[bytes], ...]

    def find(self, payload: bytes) -> list[re.Match[bytes]]:
        """All that stand in ``payload``, in whatever case."""
        lower = payload.lower()
        found = [pattern.search(lower) for word, pattern in self.words.items() if word in lower]
        found += [pattern.search(text) for pattern in self.ids for text in (lower, payload)]
        return [match for match in found if match]


def read_identities(server: Server) -> Identities:
    """The identities of all models, generations, pairs and arms in the server's database."""
    words = set()
    for row in server.rows("SELECT name, provider_id, organisation FROM model"):
        given = {row.name, row.provider_id, row.provider_id.rpartition("/")[2], row.organisation} - {""}
        words |= given | {slug(word) for word in given} | {word.replace(" ", "") for word in given}
    tables = ("model", "generation", "pair", "arm")
    ids = [UUID(row.id) for table in tables for row in server.rows(f"SELECT id FROM {table}")]
    forms = [id_.hex.encode() for id_ in ids], [str(id_).encode() for id_ in ids], [id_.bytes for id_ in ids]
    lower = {word.lower().encode() for word in words}
    return Identities(
        {word: re.compile(rb"(?<![a-z0-9])" + re.escape(word) + rb"(?![a-z0-9])") for word in lower},
        # Ids of one minute begin alike, and the search for many of one form is quick because of it.
        tuple(re.compile(b"|".join(map(re.escape, sorted(form)))) for form in forms),
    )


def find_leaks(records: Iterable[Record], identities: Identities, texts: list[bytes]) -> list[str]:
    """Where an identity stands outside of ``texts``, with what is around it."""
    leaks = []
    for what, payload in dict.fromkeys(records):
        rest = payload
        for text in texts:
            rest = rest.replace(text, b"\x00")
        leaks += [
            f"{m.group()!r} in {what}: {rest[max(0, m.start() - 60) : m.end() + 60]!r}" for m in identities.find(rest)
        ]
    return leaks
