"""How the votes of an export rank the models: the methods text of the study's usual board, for the manifest."""

from __future__ import annotations

from uuid import UUID

from app.domain import Identity
from app.errors import BakeoffError, RankingError, ResultsHiddenError
from app.services import leaderboard
from app.services.methods_text import methods_text

HIDDEN = "The results of this study are hidden until its planned end, and so is how its votes rank the models."
NO_VOTES = "No vote counts for the ranking yet, so there is nothing to tell of how it was computed."


def describe_ranking(actor: Identity | None, experiment_id: UUID) -> str:
    """The text, as Markdown; a sentence where results are hidden, nobody voted, or the ranking has no answer.

    The votes are those that the results pages share, and a ranking that one of them has made is not made again.
    """
    try:
        board = leaderboard.get_leaderboard(actor, experiment_id)
    except ResultsHiddenError:
        return HIDDEN
    except RankingError as error:
        return f"The usual ranking of these votes has no answer that could be believed: {error}"
    except BakeoffError as error:  # the file is written, and is worth having without this
        return f"How these votes rank the models could not be told: {error}"
    return methods_text(board) if board.n_votes else NO_VOTES
