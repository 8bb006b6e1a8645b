"""What is put on a rater's screen of a battle: texts and media by side, and nothing that names a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.domain import BlindBattle, Identity, Message, Part
from app.errors import NotFoundError, VoteRefusedError
from app.services.media import address, addresses, place_of
from app.services.normalising import normalised
from app.services.output_media import PLAYED
from db import screens
from db.engine import database

WITHDRAWN = "This output was withdrawn."  # in the place of its text

Parts = Sequence[Mapping[str, Any]]


def blind(battle_id: UUID, content: screens.Content, rules: Mapping[str, Any]) -> BlindBattle:
    """The battle as a rater may know it; ``rules`` has the ``flow`` and ``shows`` of its study."""
    is_normalised = bool(rules["shows"].get("is_normalised"))
    images = addresses(content.attachments) if content.attachments else ()
    left, right = (_text(parts, is_normalised) for parts in (content.left, content.right))
    if _is_one_text(content.left) and _is_one_text(content.right):
        return BlindBattle(battle_id, content.prompt, left, right, images)
    sides = _parts(content.left, is_normalised), _parts(content.right, is_normalised)
    must_play = bool(rules["flow"].get("must_play", True)) and any(
        part.kind in PLAYED for side in sides for part in side
    )
    return BlindBattle(battle_id, content.prompt, left, right, images, sides, must_play)


def _is_one_text(parts: Parts) -> bool:
    return len(parts) == 1 and parts[0]["type"] == "text"


def _text(parts: Parts, is_normalised: bool) -> str:
    texts = [part["text"] for part in parts if part["type"] == "text"]
    return "\n\n".join(map(normalised, texts) if is_normalised else texts)


def _parts(parts: Parts, is_normalised: bool) -> tuple[Part, ...]:
    found = []
    for part in parts:
        if part["type"] == "text":
            found.append(Part("text", normalised(part["text"]) if is_normalised else part["text"]))
        else:
            # A file that is gone keeps its place: the rater is told, and can say that it can't be judged.
            place = place_of(part["media_id"])
            found.append(Part(part["type"], address(place) if place else ""))
    return tuple(found)


def replies_to(prompt: Sequence[Message]) -> list[str]:
    """The messages of a prompt that are answered after the first one, in order; they stand between the answers."""
    asked = [
        message.content
        for number, message in enumerate(prompt)
        if message.role == "user" and (number + 1 == len(prompt) or prompt[number + 1].role == "user")
    ]
    return asked[1:]


def as_chat(prompt: Sequence[Message], parts: Sequence[Part]) -> list[tuple[str, Part]]:
    """The parts of a side with who says each: where it answered in several turns, the user's words stand between."""
    further = replies_to(prompt)
    if sum(part.kind == "text" for part in parts) != len(further) + 1:
        further = []
    chat: list[tuple[str, Part]] = []
    for part in parts:
        if part.kind == "text" and any(one.kind == "text" for _, one in chat) and further:
            chat.append(("user", Part("text", further.pop(0))))
        chat.append(("assistant", part))
    return chat


def get_shown(rater: Identity, battle_id: UUID) -> BlindBattle:
    """What a battle of this rater shows, to be looked at again; nothing has to be played for that.

    Raises NotFoundError for somebody else's, VoteRefusedError for one of which an output was withdrawn.
    """
    content, shows = _find(rater, battle_id)
    if content.is_withdrawn:
        raise VoteRefusedError("One of the two answers was withdrawn, so nobody is shown the pair. Your vote is saved.")
    return blind(battle_id, content, {"shows": shows, "flow": {"must_play": False}})


def _find(rater: Identity, battle_id: UUID) -> tuple[screens.Content, Any]:
    with database().peek() as connection:
        found = screens.find_shown(connection, battle_id=battle_id, rater_id=rater.account_id)
    if found is None:
        raise NotFoundError("There is no such battle.")
    return found


def read_as_written(rater: Identity, battle_id: UUID) -> dict[str, list[str]]:
    """The texts of a battle of this rater as they were written, in the order in which they are drawn.

    Raises NotFoundError for somebody else's battle.
    """
    content, shows = _find(rater, battle_id)
    if content.is_withdrawn:  # what is still being written, has failed or was taken out may name its maker
        raise NotFoundError("There is no such battle.")
    battle = blind(battle_id, content, {"shows": shows, "flow": {}})
    left, right = battle.sides or ((Part("text", battle.left),), (Part("text", battle.right),))
    prompt = [message.content for message in battle.prompt]
    return {"prompt": prompt, "left": _texts(battle.prompt, left), "right": _texts(battle.prompt, right)}


def _texts(prompt: Sequence[Message], side: Sequence[Part]) -> list[str]:
    return [part.content for _, part in as_chat(prompt, side) if part.kind == "text"]
