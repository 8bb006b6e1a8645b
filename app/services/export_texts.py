"""The texts that votes judged, read in batches and kept within a bound, since many votes judge the same ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from app.domain import Message
from app.file_rows import Judged
from db import exports
from db.engine import Row, Session

_MOST_CHARACTERS = 16 * 2**20  # of kept texts; a character takes up to four bytes


class _Prompt(NamedTuple):
    messages: tuple[Message, ...]
    tags: dict[str, str]
    has_media: bool


class _Output(NamedTuple):
    turns: tuple[str, ...]
    has_media: bool


class Texts:
    """Prompts and outputs by their ids, as the driver gives these."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: OrderedDict[object, _Prompt | _Output] = OrderedDict()
        self._sizes: dict[object, int] = {}
        self._size = 0

    def load(self, rows: Sequence[Row]) -> None:
        """Have what these votes judged; what was used longest ago is forgotten first."""
        self._have({row.prompt_row_id for row in rows}, self._read_prompts)
        self._have({id_ for row in rows for id_ in (row.generation_a_id, row.generation_b_id)}, self._read_outputs)

    def forget(self) -> None:
        """Drop what is over the bound; never in the middle of a batch, which needs all of its texts."""
        while self._size > _MOST_CHARACTERS:
            id_, _ = self._kept.popitem(last=False)
            self._size -= self._sizes.pop(id_)

    def judged(self, row: Row, vote: dict[str, Any]) -> tuple[str | None, Judged]:
        """The vote with its texts, and why it has none, if so."""
        prompt, a, b = (self._kept.get(id_) for id_ in (row.prompt_row_id, row.generation_a_id, row.generation_b_id))
        if not (isinstance(prompt, _Prompt) and isinstance(a, _Output) and isinstance(b, _Output)):
            return "no_texts", Judged((vote,), tags=prompt.tags if isinstance(prompt, _Prompt) else {}, turn=row.turn)
        if prompt.has_media or a.has_media or b.has_media:
            return "media", Judged((vote,), tags=prompt.tags, turn=row.turn)
        return None, Judged((vote,), prompt.messages, a.turns, b.turns, prompt.tags, is_told=True, turn=row.turn)

    def _have(self, ids: set[Any], read: Callable[[Iterable[object]], None]) -> None:
        ids.discard(None)
        for id_ in ids & self._kept.keys():
            self._kept.move_to_end(id_)
        if missing := ids - self._kept.keys():
            read(missing)

    def _keep(self, id_: object, found: _Prompt | _Output, size: int) -> None:
        self._kept[id_], self._sizes[id_] = found, size + 500
        self._size += size + 500

    def _read_prompts(self, ids: Iterable[object]) -> None:
        for row in exports.list_prompts(self._session, prompt_ids=ids):
            messages = tuple(Message(message["role"], message["content"]) for message in row.messages)
            size = sum(len(message.content) for message in messages)
            self._keep(row.id, _Prompt(messages, row.tags or {}, bool(row.attachments)), size)

    def _read_outputs(self, ids: Iterable[object]) -> None:
        for row in exports.list_outputs(self._session, generation_ids=ids):
            turns = tuple(part["text"] for part in row.parts if part["type"] == "text")
            self._keep(row.id, _Output(turns, len(turns) < len(row.parts)), sum(map(len, turns)))
