"""What automatic measures say of the models, and how far that goes with what people said. Never a part of the board."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from app.domain import Identity, Ranking, Role
from app.errors import RankingError, ResultsHiddenError
from app.measures._registry import get_measures
from app.services import leaderboard
from app.services.measuring import Scope, count_unmeasured
from app.services.model_labels import model_labels
from app.services.sign_in import require
from app.stats.clustered_mean import ClusteredMean, ClusterMoments, mean_of_clusters
from app.stats.rank_correlation import FEWEST, ROUGH, RankCorrelation, kendall
from db import experiments, measures, models
from db.engine import Row, Session, database

REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class MeasureColumn:
    """One measure: what it is, its mean for each model, and how it goes with the human ranking.

    ``means`` is by model id. ``correlation`` is Kendall's tau-b of the means with the ratings; where it can't be known,
    ``reason`` says why.
    """

    name: str
    label: str
    description: str
    unit: str
    better: str | None
    means: dict[UUID, ClusteredMean]
    correlation: RankCorrelation | None
    reason: str


@dataclass(frozen=True, slots=True)
class MeasureBoard:
    """The measures of a scope: ``models`` by id and name, best first where people ranked them, else by name."""

    title: str
    models: tuple[tuple[UUID, str], ...]
    columns: tuple[MeasureColumn, ...]
    n_unmeasured: int
    notes: tuple[str, ...]
    confidence: float


def get_measure_board(
    actor: Identity | None, scope: Scope, *, ranking: Ranking | None = None, confidence: float = 0.95
) -> MeasureBoard:
    """Means over prompts with intervals, and their correlation with the human ranking.

    ``ranking`` is that of Bradley-Terry where the caller has it already; without it, an experiment's is computed.
    """
    require(actor, Role.RESEARCHER)
    if scope.prompt_set_id is None:
        return MeasureBoard(
            scope.title, (), (), 0, ("This study names no prompt set, so it has no outputs.",), confidence
        )
    which = {"prompt_set_id": scope.prompt_set_id, "model_ids": scope.model_ids}
    with database().read() as session:
        names = _names(session, scope)
        # What the endpoint refused never becomes an output; without it, whoever refuses most would look best.
        rows = measures.list_moments(session, **which, refusal=REFUSAL)  # type: ignore[arg-type]
        n_prompts = measures.count_measured_prompts(session, **which)  # type: ignore[arg-type]
        # Those refusals count at once, but answers only once they are measured: until then the share would be too high.
        partial = measures.list_unmeasured_models(session, **which, names=[REFUSAL], reference_names=[])
    n_unmeasured = count_unmeasured(actor, scope)
    notes = _uneven(n_prompts) + _partial(n_unmeasured)
    if ranking is None and scope.experiment_id is not None:
        ranking, problem = human_ranking(actor, scope.experiment_id)
        notes += [problem] if problem else []
    ratings, no_ratings = human_ratings(ranking)
    found = _means((row for row in rows if row.name != REFUSAL or row.model_id not in partial), confidence)
    columns = tuple(
        MeasureColumn(
            name,
            it.LABEL,
            it.DESCRIPTION,
            it.UNIT,
            it.BETTER,
            found[name],
            *correlate(
                {names[key]: mean.mean for key, mean in found[name].items() if key in names}, ratings, no_ratings
            ),
        )
        for name, it in get_measures().items()
        if name in found
    )
    return MeasureBoard(
        title=scope.title,
        models=_ordered(names, ranking),
        columns=columns,
        n_unmeasured=n_unmeasured,
        notes=tuple(notes),
        confidence=confidence,
    )


def correlate(
    values: dict[str, float], ratings: dict[str, float], no_ratings: str = ""
) -> tuple[RankCorrelation | None, str]:
    """Kendall's tau-b of a number per model with the human ratings, or the reason why there is none."""
    if no_ratings:
        return None, no_ratings
    shared = sorted(values.keys() & ratings.keys())
    if len(shared) < FEWEST:
        return None, f"too few models: {len(shared)} have both, and it takes {FEWEST}"
    found = kendall([values[name] for name in shared], [ratings[name] for name in shared])
    return found, "" if found else "all models have the same value"


def describe_correlation(column: MeasureColumn) -> str:
    """The correlation of a measure with the human ranking as a sentence."""
    found = column.correlation
    if found is None:
        return f"{column.label}: no correlation, {column.reason}."
    said = f"{_number(found.tau)} ({_number(found.lower)} to {_number(found.upper)}, {found.n} models)"
    if found.lower <= 0 <= found.upper:
        return f"{column.label}: Kendall's tau {said}. It can't be told whether people's ranking goes with it."
    more = "higher" if found.tau > 0 else "lower"
    return f"{column.label}: Kendall's tau {said}. Models with a {more} value are preferred."


def describe_correlations(board: MeasureBoard) -> list[str]:
    """The correlation of every measure with the human ranking as a sentence each, and how far to believe them."""
    said = [describe_correlation(column) for column in board.columns]
    few = [it.correlation.n for it in board.columns if it.correlation is not None and it.correlation.n < ROUGH]
    if few:
        said.append(f"With fewer than {ROUGH} models these intervals are rough.")
    if sum(it.correlation is not None for it in board.columns) > 1:
        said.append("Each interval holds for itself: among many measures, one may seem to go along by chance.")
    return said


def _number(x: float) -> str:
    return f"{x:.2f}".replace("-", "−")


def _names(session: Session, scope: Scope) -> dict[UUID, str]:
    if scope.experiment_id is not None:
        return model_labels(experiments.list_arms(session, experiment_id=scope.experiment_id))
    assert scope.prompt_set_id is not None  # noqa: S101 - for the type checker
    listed = measures.list_measured_models(session, prompt_set_id=scope.prompt_set_id)
    rows = list(models.get_models(session, model_ids=listed).values())
    named = [row.name for row in rows]
    return {row.id: row.name if named.count(row.name) == 1 else f"{row.name} {row.version}".strip() for row in rows}


def _ordered(names: dict[UUID, str], ranking: Ranking | None) -> tuple[tuple[UUID, str], ...]:
    place = {row.model: i for i, row in enumerate(ranking.models)} if ranking else {}
    return tuple(sorted(names.items(), key=lambda entry: (place.get(entry[1], len(place)), entry[1].casefold())))


def _uneven(n_prompts: Sequence[int]) -> list[str]:
    """A sentence where models have outputs for different prompts: not each for all of them (the first number)."""
    of_any, *of_each = n_prompts
    if all(n == of_any for n in of_each):
        return []
    return [
        f"The models have outputs for different prompts ({min(of_each):,} to {max(of_each):,} of {of_any:,}), so that "
        "a mean may say more about the prompts than about the model."
    ]


def _partial(n_unmeasured: int) -> list[str]:
    """A sentence where some outputs lack a measure."""
    if not n_unmeasured:
        return []
    return [
        f"Measures are missing for {n_unmeasured:,} outputs, so that the means are those of the others alone; models "
        "whose answers aren't all looked through have no share of refusals yet."
    ]


def _means(rows: Iterable[Row], confidence: float) -> dict[str, dict[UUID, ClusteredMean]]:
    known = get_measures()
    means: dict[str, dict[UUID, ClusteredMean]] = {}
    for row in rows:
        if row.name not in known:  # a measure whose file was taken out keeps its numbers in the database
            continue
        moments = ClusterMoments(
            n_values=int(row.n_values),
            n_clusters=row.n_prompts,
            total=row.total,
            spread=max(0.0, row.squares - row.total**2 / row.n_prompts) if row.highest > row.lowest else 0.0,
            n_between=int(row.n_between),
        )
        is_share = known[row.name].UNIT == "share"
        means.setdefault(row.name, {})[row.model_id] = mean_of_clusters(
            moments, confidence=confidence, is_share=is_share
        )
    return means


def human_ranking(actor: Identity | None, experiment_id: UUID) -> tuple[Ranking | None, str]:
    """People's ranking by Bradley-Terry, without staff, or why there is none."""
    try:
        return leaderboard.get_leaderboard(actor, experiment_id).ranking, ""
    except (RankingError, ResultsHiddenError) as error:
        return None, f"There is no human ranking to compare with: {error}"


def human_ratings(ranking: Ranking | None) -> tuple[dict[str, float], str]:
    """People's ratings by model, or why there are none that could be compared."""
    if ranking is None or not ranking.n_votes:
        return {}, "there are no votes by people"
    rated = [row for row in ranking.models if row.rating is not None and row.n_votes]
    if len({row.component for row in rated}) > 1:
        return {}, "people's votes don't connect all models, so there is no one human ranking"
    return {row.model: row.rating for row in rated if row.rating is not None}, ""


def measure_result(board: MeasureBoard, corpora: dict[str, dict[UUID, tuple[float, str]]]) -> dict[str, Any]:
    """A board in plain values, as `bakeoff measure --json` prints it, with the values of whole corpora."""
    return {
        "title": board.title,
        "confidence": board.confidence,
        "n_unmeasured": board.n_unmeasured,
        "measures": [
            {
                "name": it.name,
                "label": it.label,
                "unit": it.unit,
                "better": it.better,
                "models": [
                    {"model": name, **asdict(it.means[key]), **_corpus(corpora.get(it.name, {}).get(key))}
                    for key, name in board.models
                    if key in it.means
                ],
                "correlation": it.correlation and asdict(it.correlation),
                "reason": it.reason,
            }
            for it in board.columns
        ],
        "notes": list(board.notes),
    }


def _corpus(found: tuple[float, str] | None) -> dict[str, Any]:
    return {} if found is None else {"corpus": found[0], "signature": found[1]}
