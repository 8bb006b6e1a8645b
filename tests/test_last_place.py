"""F19: many raters race for the last place of a study, which gets exactly the votes that it asked for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random
from uuid import UUID

from sqlalchemy import func, select, update

from app.domain import Answer, ExperimentStatus, Identity, Receipt
from app.services import serving, voting
from app.services.pair_counts import forget_counts
from db.engine import Database
from db.tables import Battle, Experiment, Pair, Vote, tables_of
from tests.studies import person, study

N_RATERS, N_PROMPTS = 20, 200  # nobody meets a prompt twice, and a rater wins some 50 rounds
# As many as a minute holds; a thousand on PostgreSQL hold too, and take three minutes of two busy cores.
N_ROUNDS = {"sqlite": 1_000, "postgresql": 200}
battle, experiment, pair, vote = tables_of(Battle, Experiment, Pair, Vote)


def offer_one_more(store: Database, study_id: UUID, n: int) -> None:
    """Open the study again with one place left of ``n``."""
    running = {"status": ExperimentStatus.RUNNING, "ended_at": None, "votes_per_pair": n}
    with store.write() as session:
        session.execute(update(experiment).where(experiment.c.id == study_id).values(running))
    forget_counts(study_id)


def race(rater: Identity, rng: Random) -> int:
    """Vote until there is nothing more, now and then after a skip; the number of votes. Any refusal is an error."""
    n = 0
    while (ballot := serving.next_battle(rater)) is not None and ballot.battle is not None:
        answer = Answer.SKIP if rng.random() < 0.1 else Answer.LEFT
        receipt, _ = voting.cast_vote(rater, ballot.battle.id, answer)
        assert receipt == Receipt.SAVED
        n += answer != Answer.SKIP
    assert ballot is not None and ballot.note == ""  # a study in words, not an error
    assert ballot.study.status in {ExperimentStatus.RUNNING, ExperimentStatus.COMPLETED}
    return n


def test_twenty_raters_race_for_one_place_round_after_round(store: Database) -> None:
    """In every round one vote is cast, and the other nineteen see the end of the study; nothing is left over."""
    n_rounds = N_ROUNDS["sqlite" if store.is_sqlite else "postgresql"]
    study_id = study(n_models=2, n_prompts=N_PROMPTS, votes_per_pair=1)
    raters = [person(experiment_id=study_id) for _ in range(N_RATERS)]
    rngs, together = [Random(i) for i in range(N_RATERS)], threading.Barrier(N_RATERS)

    def run(number: int) -> int:
        together.wait(30)
        return race(raters[number], rngs[number])

    with ThreadPoolExecutor(N_RATERS) as pool:
        for n in range(1, n_rounds + 1):
            offer_one_more(store, study_id, n)
            assert sum(pool.map(run, range(N_RATERS))) == 1, f"round {n}"
    with store.read() as session:
        [counts] = session.execute(select(pair.c.n_votes, pair.c.n_taken)).all()
        on_screen = select(func.count()).where(battle.c.status.in_(("open", "waiting")))
        n_stored = session.execute(select(func.count()).select_from(vote).where(vote.c.act == "vote")).scalar_one()
        met = (battle.c.rater_id, battle.c.prompt_id)
        doubled = session.execute(select(*met).group_by(*met).having(func.count() > 1)).all()
        assert tuple(counts) == (n_rounds, n_rounds) and n_stored == n_rounds
        assert session.execute(on_screen).scalar_one() == 0
        assert doubled == []
