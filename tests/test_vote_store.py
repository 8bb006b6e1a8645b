"""Votes in memory: whatever happens to the votes, the columns say what the database says, and read little for it."""

from __future__ import annotations

import contextlib
import io
import json
import random
from collections import Counter
from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain import Answer, Identity, Role, utc_now
from app.errors import BakeoffError, InvalidInputError
from app.services import (
    rater_board,
    remarks,
    serving,
    slices,
    vote_export,
    vote_files,
    vote_snapshot,
    vote_store,
    voting,
)
from app.services.slices import Slice
from app.stats.comparisons import OUTCOMES
from app.stats.growing import GrowingRows
from app.stats.vote_columns import to_comparisons
from app.study import OVERALL, Asks, Criterion
from db import experiments, vote_columns
from db.columns import new_id
from db.engine import Database, DatabaseUnavailable
from db.tables import Vote, tables_of
from tests.studies import jsonl, person, study

ANSWERS = (Answer.LEFT, Answer.RIGHT, Answer.TIE, Answer.BOTH_BAD, Answer.SKIP)
ASKS = Asks((Criterion("accuracy", "Accuracy"),))


@pytest.fixture(autouse=True)
def _nothing_read() -> None:
    vote_store.forget()


def act(rater: Identity, rng: random.Random) -> None:
    """One thing that a rater does: vote, say something of a criterion, take back, or change an earlier vote."""
    kind = rng.random()
    ballot = serving.next_battle(rater)
    assert ballot is not None
    if kind < 0.2:
        with contextlib.suppress(BakeoffError):  # nothing to take back
            voting.undo_vote(rater, ballot.study.id)
        return
    if kind < 0.35 and (last := remarks.find_last(rater, ballot.study.id)) is not None:
        remarks.change_vote(rater, last.battle_id, rng.choice(ANSWERS))
        return
    if ballot.battle is not None:
        said = {"accuracy": rng.choice(ANSWERS[:4])} if rng.random() < 0.5 else {}
        voting.cast_vote(rater, ballot.battle.id, rng.choice(ANSWERS), criteria=said)


def cast(rater: Identity, *answers: Answer) -> UUID:
    """Give these answers to the next battles; the last battle."""
    for answer in answers:
        ballot = serving.next_battle(rater)
        assert ballot is not None and ballot.battle is not None
        voting.cast_vote(rater, ballot.battle.id, answer)
    return ballot.battle.id


COUNTED = """
SELECT b.pair_id, b.is_a_left, v.outcome, sum(v.weight) FROM vote v JOIN battle b ON b.id = v.battle_id
JOIN pair p ON p.id = b.pair_id JOIN experiment e ON e.id = b.experiment_id
WHERE v.act = 'vote' AND v.superseded_by IS NULL AND v.criterion = :criterion AND e.key = :study
  AND (:with_staff = 1 OR NOT v.is_staff) GROUP BY b.pair_id, b.is_a_left, v.outcome"""


def counted(store: Database, study_id: UUID, criterion: str = OVERALL, *, with_staff: bool = False) -> Counter[object]:
    """What the database itself counts."""
    with store.read() as session:
        key = experiments.get_experiment(session, experiment_id=study_id).key
        chosen = {"criterion": criterion, "study": key, "with_staff": int(with_staff)}
        rows = list(session.connection().execute(text(COUNTED), chosen))
    found: Counter[object] = Counter()
    for pair, is_a_left, outcome, n in rows:
        found[UUID(str(pair)).hex, -1 if is_a_left is None else int(is_a_left), outcome] += int(n)
    return found


def in_memory(study_id: UUID, chosen: Slice | None = None) -> Counter[object]:
    read = vote_store.read(study_id)
    kept = slices.take(read, chosen or Slice()).votes
    names = vote_store._studies[(vote_store.database().url, study_id)].codes["pair"].names
    found: Counter[object] = Counter()
    for pair, side, outcome, weight in zip(kept.pair, kept.a_is_left, kept.outcome, kept.weight, strict=True):
        if outcome >= 0:
            found[names[pair], int(side), OUTCOMES[outcome]] += int(weight)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_after_anything_that_raters_do_the_columns_say_what_the_database_says(store: Database, seed: int) -> None:
    study_id = study(n_models=3, asks=ASKS)
    rng, raters = random.Random(seed), [person(), person(), person(Role.ADMIN)]
    vote_store.read(study_id)
    for i in range(60):
        act(rng.choice(raters), rng)
        if i % 7 == 0:
            assert in_memory(study_id) == counted(store, study_id)
    for criterion in (OVERALL, "accuracy"):
        for staff in (False, True):
            chosen = Slice(criterion=criterion, with_staff=staff)
            assert in_memory(study_id, chosen) == counted(store, study_id, criterion, with_staff=staff)
    assert sum(counted(store, study_id).values()) > 5


def test_what_is_read_again_changes_nothing_and_what_is_new_makes_a_new_version(store: Database) -> None:
    study_id, rater = study(n_models=2), person()
    empty = vote_store.read(study_id)
    cast(rater, Answer.TIE)
    one = vote_store.read(study_id)
    again = vote_store.read(study_id)
    assert (len(empty.columns), len(one.columns)) == (0, 1)
    assert one.version > empty.version
    assert again is one, "rows of the last minute are read again and are the same"


def test_rows_of_a_transaction_that_ends_late_are_read_and_known_ones_are_not(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL a row may come later than others with later ids; on SQLite one may be put in with an old id."""
    study_id, raters = study(n_models=3), [person() for _ in range(3)]
    ballots = [serving.next_battle(rater) for rater in raters]
    battles = [ballot.battle.id for ballot in ballots if ballot is not None and ballot.battle is not None]
    voting.cast_vote(raters[0], battles[0], Answer.TIE)
    assert len(vote_store.read(study_id).columns) == 1
    copied = [column.name for column in tables_of(Vote)[0].c if column.name not in ("id", "battle_id")]
    is_sqlite = store.engine.dialect.name == "sqlite"
    own = {"id": UUID(int=1 << 80) if is_sqlite else new_id(), "battle": battles[1]}
    late = store.engine.connect()
    columns = ", ".join(copied)
    late.execute(
        text(f"INSERT INTO vote (id, battle_id, {columns}) SELECT :id, :battle, {columns} FROM vote"),
        {name: value.hex for name, value in own.items()} if is_sqlite else own,
    )
    if is_sqlite:
        late.commit()
    voting.cast_vote(raters[2], battles[2], Answer.TIE)
    seen = watch_reading(monkeypatch)
    assert len(vote_store.read(study_id).columns) == (3 if is_sqlite else 2)
    late.commit()
    late.close()
    assert in_memory(study_id) == counted(store, study_id)
    assert len(vote_store.read(study_id).columns) == 3
    assert sum(seen) <= 3, "the first vote was known"


def test_a_newest_vote_that_is_taken_back_or_changed_is_all_that_is_read_again(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is written anew, which is no reason to doubt the others."""
    study_id, rater = study(n_models=3), person()
    newest = cast(rater, *[Answer.LEFT] * 4)
    vote_store.read(study_id)
    seen = watch_reading(monkeypatch)
    remarks.change_vote(rater, newest, Answer.TIE)
    assert in_memory(study_id) == counted(store, study_id)
    voting.undo_vote(rater, study_id)
    assert in_memory(study_id) == counted(store, study_id)
    assert len(vote_store.read(study_id).columns) == 3
    assert sum(seen) <= 3


def test_a_database_that_went_back_in_time_is_read_anew(store: Database) -> None:
    """A transaction that is still to come: PostgreSQL put back to an earlier moment, with the newest vote in it."""
    study_id, rater = study(n_models=3), person()
    cast(rater, Answer.LEFT)
    with store.read() as session:
        mark = vote_columns.find_mark(session, settled=UUID(int=0))
        assert mark is not None and vote_columns.still_holds(session, mark)
        ahead = mark._replace(horizon=mark.horizon + 1_000_000)
        assert vote_columns.still_holds(session, ahead) is (store.engine.dialect.name == "sqlite")
        assert not vote_columns.still_holds(session, mark._replace(vote_id=new_id()))
    assert vote_store.read(study_id).version


def watch_reading(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each later look reads."""
    read: list[int] = []
    real = vote_store.vote_columns.stream_columns

    def watched(*args: object, **options: object) -> object:
        for batch in real(*args, **options):  # type: ignore[arg-type]
            read.append(len(batch))
            yield batch

    monkeypatch.setattr(vote_store.vote_columns, "stream_columns", watched)
    return read


def test_a_restarted_server_reads_only_what_is_new(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vote_snapshot, "FEWEST", 1)
    monkeypatch.setattr(vote_store, "OVERLAP_MS", 0)
    study_id, rater = study(n_models=3), person()
    cast(rater, *ANSWERS[:4])
    before = in_memory(study_id)
    vote_store.forget()
    read = watch_reading(monkeypatch)
    assert in_memory(study_id) == before == counted(store, study_id)
    assert sum(read) == 0
    cast(rater, Answer.LEFT)
    assert in_memory(study_id) == counted(store, study_id)
    assert sum(read) == 1


@pytest.mark.parametrize("is_large", [True, False])
def test_an_import_of_many_votes_leaves_nothing_to_read_for_who_looks_first(
    store: Database, monkeypatch: pytest.MonkeyPatch, is_large: bool
) -> None:
    rows = [{"left": "Ash", "right": "Birch", "winner": "left", "rater": f"r{n}"} for n in range(9)]
    monkeypatch.setattr(vote_snapshot, "FEWEST", 9 if is_large else 10)
    study_id = vote_files.import_votes(None, jsonl(*rows), title="Large").experiment_id
    assert vote_snapshot._path(study_id).exists() is is_large
    vote_store.forget()
    assert in_memory(study_id) == counted(store, study_id)


@pytest.mark.parametrize("harm", ["missing", "damaged", "cut", "of votes that are gone"])
def test_a_snapshot_that_no_longer_holds_is_passed_over(
    store: Database, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    monkeypatch.setattr(vote_snapshot, "FEWEST", 1)
    study_id, rater = study(n_models=3), person()
    cast(rater, *[Answer.LEFT] * 2)
    vote_store.read(study_id)
    path = vote_snapshot._path(study_id)
    data = path.read_bytes()
    if harm == "missing":
        path.unlink()
    elif harm == "damaged":
        path.write_bytes(b"PK\3\4 no such thing" + data[20:])
    elif harm == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        with store.read() as session:
            kept = vote_snapshot.load(session, study_id)
        assert kept is not None
        rows = GrowingRows({name: str(column.dtype) for name, column in kept.columns.items()})
        rows.extend(kept.keys[:1], {name: column[:1] for name, column in kept.columns.items()})
        vote_snapshot.keep(study_id, kept.mark._replace(place=kept.mark.place + 1), rows, kept.names)
    vote_store.forget()
    assert in_memory(study_id) == counted(store, study_id)


def test_a_slice_has_the_votes_of_its_days_groups_and_raters(store: Database) -> None:
    study_id, raters = study(n_models=3), [person(), person()]
    for rater in (*raters, raters[0]):
        ballot = serving.next_battle(rater)
        assert ballot is not None and ballot.battle is not None
        voting.cast_vote(rater, ballot.battle.id, Answer.LEFT)
    read, today = vote_store.read(study_id), utc_now().date()
    number = read.raters.index(raters[0].account_id.hex)

    def n(**chosen: object) -> int:
        return slices.take(read, Slice(**chosen)).n_votes  # type: ignore[arg-type]

    assert n() == 3
    assert n(without=(number,)) == 1
    assert n(since=today - timedelta(days=1), until=today) == 3
    assert n(since=today + timedelta(days=2)) == 0
    assert n(until=date(2020, 1, 1)) == 0
    assert n(criterion="never asked") == 0
    assert n(tags=(("category", "no such"),)) == 0
    assert n(group=slices.INVITED) == 3
    with pytest.raises(InvalidInputError, match="came from 'elsewhere'"):
        n(group="elsewhere")
    choices = slices.list_choices(read)
    assert choices.first_day in {today, today - timedelta(days=1)}
    assert choices.groups == {}, "one group is nothing to choose from"


def test_counts_and_single_votes_are_the_same_comparisons(store: Database) -> None:
    study_id, rng, raters = study(n_models=3, asks=ASKS), random.Random(4), [person(), person()]
    for _ in range(40):
        act(rng.choice(raters), rng)
    read = vote_store.read(study_id)
    sliced = slices.take(read, Slice())
    few, many = slices.compare(read, sliced), slices.compare(read, sliced, ordered=True)

    def tally(found: object) -> Counter[object]:
        tallied: Counter[object] = Counter()
        for row in zip(found.model_a, found.model_b, found.outcome, found.a_is_left, found.weight, strict=True):  # type: ignore[attr-defined]
            tallied[tuple(int(value) for value in row[:4])] += int(row[4])
        return tallied

    assert tally(few) == tally(many)
    assert many.ordered and not few.ordered
    assert few.weight.sum() == sliced.n_votes > 5
    assert to_comparisons(sliced.votes, read.models).models == read.models


def test_a_study_that_was_let_go_has_another_version_when_it_is_read_again(store: Database) -> None:
    """Else what is kept by version would be shown for other votes."""
    study_id = study(n_models=2)
    before = vote_store.read(study_id).version
    vote_store.forget()
    assert vote_store.read(study_id).version > before


def test_an_interrupted_look_doubles_nothing_and_hides_nothing(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    study_id, rater = study(n_models=3), person()
    cast(rater, *[Answer.LEFT] * 3)
    real = vote_store._Study._finished

    def away(*_: object) -> None:
        raise DatabaseUnavailable("away")

    for n in (3, 4):  # at the first look, and at one for what is new
        monkeypatch.setattr(vote_store._Study, "_finished", away)
        with pytest.raises(DatabaseUnavailable):
            vote_store.read(study_id)
        monkeypatch.setattr(vote_store._Study, "_finished", real)
        assert len(vote_store.read(study_id).columns) == n
        assert in_memory(study_id) == counted(store, study_id)
        ballot = serving.next_battle(rater)
        assert ballot is not None and ballot.battle is not None
        voting.cast_vote(rater, ballot.battle.id, Answer.RIGHT)


def test_a_raters_number_stays_theirs_when_others_join(store: Database) -> None:
    study_id, early, late = study(n_models=3), person(), person()
    for n, rater in enumerate((late, early), start=1):
        ballot = serving.next_battle(rater)
        assert ballot is not None and ballot.battle is not None
        voting.cast_vote(rater, ballot.battle.id, Answer.LEFT)
        read = vote_store.read(study_id)
        numbers = rater_board.numbers(read)
        assert numbers[read.raters.index(late.account_id.hex)] == 1
        assert sorted(numbers.tolist()) == list(range(1, n + 1))
    out = io.BytesIO()
    vote_export.export_votes(None, study_id, out)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row["rater"] for row in sorted(rows, key=lambda row: row["voted_at"])] == ["rater-1", "rater-2"]


def test_what_another_process_kept_meanwhile_takes_the_place_of_an_interrupted_look(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vote_snapshot, "FEWEST", 1)
    study_id, rater = study(n_models=3), person()
    cast(rater, *[Answer.LEFT] * 4)

    def away(*_: object) -> None:
        raise DatabaseUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(vote_store._Study, "_finished", away)
        with pytest.raises(DatabaseUnavailable):
            vote_store.read(study_id)
    interrupted = dict(vote_store._studies)
    vote_store.forget()
    vote_store.read(study_id)  # as the other one does
    vote_store.forget()
    vote_store._studies.update(interrupted)
    assert in_memory(study_id) == counted(store, study_id)
