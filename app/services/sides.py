"""From what is said about the sides of the screen to what it says about models, and back."""

from __future__ import annotations

from app.domain import Answer, Outcome


def to_outcome(answer: Answer, *, is_a_left: bool) -> Outcome:
    """Translate what was said about sides into what it says about models."""
    if answer in {Answer.TIE, Answer.BOTH_BAD}:
        return Outcome(answer.value)
    if answer == Answer.SKIP:
        raise ValueError("can't judge carries no outcome")
    return Outcome.MODEL_A if (answer == Answer.LEFT) == is_a_left else Outcome.MODEL_B


def to_answer(outcome: Outcome | None, *, is_a_left: bool) -> Answer:
    """What was said about sides, from what it says about models; without an outcome it was "can't judge"."""
    if outcome is None:
        return Answer.SKIP
    if outcome in {Outcome.TIE, Outcome.BOTH_BAD}:
        return Answer(outcome.value)
    return Answer.LEFT if (outcome == Outcome.MODEL_A) == is_a_left else Answer.RIGHT
