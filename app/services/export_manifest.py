"""The manifest of an export: what is in the file, what is not and why, and how the votes were gathered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

from app.domain import Kind
from app.services import vote_origin
from app.services.export_rows import REASONS
from app.study import Flow, flow_of


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file of an export."""

    name: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known of an export; ``n_rows`` are rows of the file, which may each stand for several votes.

    ``left_out`` counts votes by a key of ``REASONS``, ``wanted`` is the filter, ``not_carried`` is what no row can say.
    ``methods`` tells how the votes were gathered, ``ranking_methods`` how the study's usual board ranks by them.
    """

    file_format: str
    label: str
    experiment: str
    title: str
    wanted: Mapping[str, Any]
    n_rows: int
    n_votes: int
    left_out: Mapping[str, int]
    not_carried: str
    app_version: str
    made_at: str
    methods: str
    ranking_methods: str
    is_simulated: bool
    files: tuple[FileFacts, ...] = field(default=())

    def to_json(self) -> bytes:
        """The manifest as a file; why votes are left out stands beside their number."""
        left_out = {key: {"votes": n, "why": REASONS[key]} for key, n in sorted(self.left_out.items()) if n}
        raters = "Raters stand under a pseudonym that holds for this study alone; whoever withdrew is in no export."
        values = {"bakeoff_export": 1, **asdict(self), "left_out": left_out, "raters": raters}
        return json.dumps(values, ensure_ascii=False, indent=2).encode() + b"\n"


class Hashing:
    """A stream to write to that knows the length and the SHA-256 of what was written, and can't go back."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._hash = stream, hashlib.sha256()
        self.n_bytes = 0

    def write(self, data: bytes) -> int:
        """Write on."""
        self._hash.update(data)
        self.n_bytes += memoryview(data).nbytes
        self._stream.write(data)
        return memoryview(data).nbytes

    def flush(self) -> None:
        """Hand on what is waiting."""
        self._stream.flush()

    def writable(self) -> bool:
        """Yes."""
        return True

    def readable(self) -> bool:
        """No."""
        return False

    def seekable(self) -> bool:
        """No: whoever writes a .zip then writes it in one go."""
        return False

    def facts(self, name: str) -> FileFacts:
        """What is known of the file."""
        return FileFacts(name, self.n_bytes, self._hash.hexdigest())


def methods_text(experiment: Any, n_models: int) -> str:
    """How the votes of a study were gathered, from its stored design."""
    flow: Flow = flow_of(experiment.flow)
    asked = "to prompts that the raters wrote themselves" if experiment.kind == Kind.ARENA else "to stored prompts"
    sentences = [
        f"Two of {n_models} models' outputs {asked} were shown side by side without names; raters chose left, right, "
        "tie or both bad.",
    ]
    if vote_origin.is_file(experiment.stop_reason):
        sentences = [
            "These votes were cast elsewhere and came as a file; how they were gathered is not known to Bakeoff."
        ]
    else:
        sentences += [
            "Sides were assigned at random and balanced for each pair.",
            f"Battles were drawn by the allocation {experiment.allocation!r} with the propensity stored beside each "
            f"vote; {experiment.votes_per_pair:,} votes were planned for each pair.",
        ]
    if flow.gold_every:
        sentences.append(f"One battle in {flow.gold_every} was an attention check.")
    if flow.repeat_every:
        sentences.append(f"One battle in {flow.repeat_every} was a repeat with the sides exchanged.")
    if experiment.is_simulated:
        sentences.append("The votes are simulated and were not cast by people.")
    return " ".join(sentences)
