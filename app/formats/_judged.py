"""What all formats share that are only written: what each can carry, and prompt and outputs as a conversation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from app.domain import Message, Outcome
from app.file_rows import Judged

Unit = Literal["vote", "pair"]
EVERY = frozenset(Outcome)
WINS = frozenset((Outcome.MODEL_A, Outcome.MODEL_B))


@dataclass(frozen=True, slots=True)
class Carries:
    """What a format can say; votes that it can't say are left out and counted.

    ``units`` are what one row may stand for, the usual one first: a vote, or all votes on one pair of outputs.
    ``texts`` says whether it has prompts and outputs. One that ``needs_one_turn`` has a single text for the prompt and
    for each output, one that ``needs_winner`` has no room for a pair without a majority. ``not_carried`` tells people
    what of a vote is lost.
    """

    not_carried: str
    outcomes: frozenset[Outcome] = EVERY
    units: tuple[Unit, ...] = ("vote",)
    texts: Literal["none", "optional", "required"] = "required"
    needs_one_turn: bool = False
    needs_winner: bool = False
    needs_sides: bool = False
    needs_reference: bool = False


def chat(prompt: Sequence[Message], turns: Sequence[str]) -> list[dict[str, str]]:
    """The conversation as {role, content}: the prompt with each turn of the output where it answers."""
    answers = _answers(prompt, turns)
    found: list[dict[str, str]] = []
    for number, message in enumerate(prompt):
        found.append({"role": message.role, "content": message.content})
        if number in answers:
            found.append({"role": "assistant", "content": answers[number]})
    return found


def _answers(prompt: Sequence[Message], turns: Sequence[str]) -> dict[int, str]:
    """What answers which message of the prompt.

    A message of the user is answered unless the prompt itself goes on with an answer. Where these are not as many as
    the turns, all turns stand at the end as one answer.
    """
    last = len(prompt) - 1
    asked = [
        number
        for number, message in enumerate(prompt)
        if message.role == "user" and (number == last or prompt[number + 1].role != "assistant")
    ]
    if len(asked) == len(turns):
        return dict(zip(asked, turns, strict=True))
    return {last: reply(turns)} if turns else {}


def parted(row: Judged) -> tuple[list[dict[str, str]], list[dict[str, str]], list[dict[str, str]]]:
    """The conversation up to the first answer, and how it goes on with the outputs of model a and of model b."""
    a, b = _answers(row.prompt, row.output_a), _answers(row.prompt, row.output_b)
    first = min((*a, *b), default=len(row.prompt) - 1) + 1
    whole_a, whole_b = chat(row.prompt, row.output_a), chat(row.prompt, row.output_b)
    return whole_a[:first], whole_a[first:], whole_b[first:]


def reply(turns: Sequence[str]) -> str:
    """The turns of an output as one text."""
    return "\n\n".join(turns)


def n_turns(row: Judged) -> int:
    """Which turn was judged: the last one, unless a file said another; 1 where the texts are not known."""
    return row.turn or max(len(row.output_a), len(row.output_b), 1)


def votes_of(rows: Iterable[Judged]) -> Iterator[tuple[Judged, Mapping[str, Any]]]:
    """Every vote with what it judged."""
    return ((row, vote) for row in rows for vote in row.votes)


@dataclass(frozen=True, slots=True)
class Majority:
    """What most votes on a pair say: ``winner`` is None without a majority; ``margin`` is by how many votes."""

    winner: Outcome | None
    margin: int
    n_votes: int


def majority(votes: Iterable[Mapping[str, Any]]) -> Majority:
    """Which output more votes prefer; ties and both-bad are counted among the votes and prefer neither."""
    outcomes = [vote["outcome"] for vote in votes]
    margin = outcomes.count(Outcome.MODEL_A) - outcomes.count(Outcome.MODEL_B)
    winner = None if not margin else Outcome.MODEL_A if margin > 0 else Outcome.MODEL_B
    return Majority(winner, abs(margin), len(outcomes))


def spoken(vote: Mapping[str, Any]) -> dict[str, str]:
    """What a rater said beside the answer, as words."""
    said = {name: ", ".join(vote.get(name) or ()) for name in ("reasons_a", "reasons_b")}
    return {**said, "comment": str(vote.get("comment") or "")}
