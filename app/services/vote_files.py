"""Votes from files: a study that was held elsewhere comes in whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, BinaryIO, cast
from uuid import UUID

from app.discovery import plugin_names
from app.domain import ExperimentStatus, Identity, Role, utc_now
from app.errors import BadFileError, InvalidInputError, RowProblem
from app.formats._registry import Renamed
from app.formats._text import shown
from app.formats._vote_columns import VoteColumns
from app.formats._vote_texts import has_texts
from app.services import vote_origin, vote_snapshot, vote_store, vote_texts
from app.services.experiments import free_key, slug
from app.services.garbage import collected_rarely
from app.services.sign_in import actor_id, require
from app.services.typed_text import checked_name
from app.services.vote_prompts import name_prompts
from app.services.vote_rows import MOST_PREVIEWED, Hashed, VotesPreview, read_votes
from app.services.vote_storing import Outputs, Target, check_totals, find_outputs, store_rows
from app.study import OVERALL, Asks, Criterion, to_json
from db import audit, experiments, imports, models, prompts
from db.columns import new_id
from db.engine import Row, Session, database


@dataclass(frozen=True, slots=True)
class VoteImport:
    """What an import of votes made; ``n_told`` are the votes whose texts it took in, too."""

    experiment_id: UUID
    key: str
    n_votes: int
    n_raters: int
    n_models: int
    is_new: bool = True
    n_told: int = 0


def check_votes(
    actor: Identity | None,
    stream: BinaryIO,
    *,
    prompt_set_id: UUID | None = None,
    renamed: Renamed | None = None,
) -> VotesPreview:
    """What ``import_votes`` would do with a file; raises BadFileError naming every bad row."""
    require(actor, Role.ADMIN)
    with database().read() as session:
        prompt_ids = _prompt_ids(session, prompt_set_id)
    found = read_votes(stream, known_prompts=prompt_ids, renamed=renamed)
    stream.seek(0)
    with_texts = has_texts(stream, renamed)
    with database().read() as session:
        known = _known_models(session, found)
    return VotesPreview(
        tuple(found.row(place) for place in range(min(len(found), MOST_PREVIEWED))),
        found.n_votes,
        len(found.raters),
        tuple(found.models),
        tuple(name for name in found.models if name not in known),
        with_texts,
    )


@collected_rarely()
def import_votes(
    actor: Identity | None,
    stream: BinaryIO,
    *,
    title: str,
    prompt_set_id: UUID | None = None,
    is_simulated: bool = False,
    with_texts: bool = False,
    renamed: Renamed | None = None,
) -> VoteImport:
    """Store a file of votes as a completed experiment; models that nobody knows are made.

    The same file for the same prompt set again is recognised and not stored twice. With
    ``prompt_set_id`` the prompt of every row must be in that set. ``with_texts`` takes the prompts and outputs in that
    the file carries, as a prompt set of its own. ``renamed`` gives columns the names that we know. Raises BadFileError
    naming every bad row, and nothing is stored then.
    """
    require(actor, Role.ADMIN)
    title = checked_name(title, what="the title")
    if with_texts and prompt_set_id is not None:
        raise InvalidInputError("Choose one: the prompts of a set that is stored, or those of the file.")
    with database().read() as session:
        prompt_ids = _prompt_ids(session, prompt_set_id)
    hashed = Hashed(stream)
    found = read_votes(cast("BinaryIO", hashed), known_prompts=prompt_ids, with_lines=with_texts, renamed=renamed)
    check_totals(found)
    with database().read() as session:
        _check_models(_known_models(session, found))
    is_simulated = is_simulated or found.is_simulated
    origin = vote_origin.tell_file(hashed.hexdigest(), with_texts=with_texts, renamed=renamed)
    study = _Study(title, origin, prompt_set_id, prompt_ids or {}, is_simulated)
    if not with_texts:
        return _ready(_store_study(actor, found, study))
    with database().read() as session:
        known = next((row for row in experiments.list_experiments(session) if row.stop_reason == origin), None)
    if known is not None:
        return _known(known, found)
    stream.seek(0)
    texts = vote_texts.gather(stream, found, renamed)
    found = vote_texts.with_prompts(found, texts)
    return _ready(_store_study(actor, found, _with_texts(actor, found, texts, study)))


def _ready(done: VoteImport) -> VoteImport:
    """Read the votes of a large study once, which keeps a snapshot of them: nobody waits at the first look at it."""
    if done.is_new and done.n_votes >= vote_snapshot.FEWEST:
        vote_store.read(done.experiment_id)
    return done


@dataclass(frozen=True, slots=True)
class _Study:
    """What a file of votes becomes, beside its votes."""

    title: str
    origin: str
    prompt_set_id: UUID | None
    prompt_ids: Mapping[str, UUID]
    is_simulated: bool
    outputs: Outputs | None = None


def _with_texts(actor: Identity | None, found: VoteColumns, texts: vote_texts.Found, study: _Study) -> _Study:
    """The study after its prompts and outputs were stored; a prompt set of ours keeps its name."""
    with database().read() as session:
        known = _known_models(session, found)
        stored = models.get_models(session, model_ids=known.values())
    versions = {} if found.own is None else found.own.versions
    keys = {name: (name, versions.get(name, "")) for name in found.models}
    keys |= {name: (stored[id_].name, stored[id_].version) for name, id_ in known.items()}
    name = (found.own and found.own.prompt_set) or study.title
    done = vote_texts.store(actor, texts, name=name, models_of=keys)
    return replace(
        study,
        prompt_set_id=done.prompt_set_id,
        prompt_ids={row.id: id_ for row, id_ in zip(texts.prompts, done.prompt_ids, strict=True)},
        outputs=Outputs(done.output_ids, texts.output_a, texts.output_b),
    )


def _known(row: Row, found: VoteColumns) -> VoteImport:
    return VoteImport(row.id, row.key, int(row.n_votes), len(found.raters), row.n_models, is_new=False)


def _store_study(actor: Identity | None, found: VoteColumns, study: _Study) -> VoteImport:
    now, n_votes, n_raters = utc_now(), found.n_votes, len(found.raters)
    with database().write() as session:
        imports.hold(session)  # of two who store the same file at once, the second finds that of the first
        if (known := _find_import(session, study.origin, study.prompt_set_id)) is not None:
            return _known(known, found)
        model_ids = _match_models(session, found, now)
        experiment = experiments.add_experiment(
            session,
            **_design(session, found, study.title),
            title=study.title,
            status=ExperimentStatus.COMPLETED,
            prompt_set_id=study.prompt_set_id,
            votes_per_pair=1,
            min_dwell_ms=0,
            is_simulated=study.is_simulated,
            asks=to_json(_asked(found)),
            created_at=now,
            started_at=now,
            ended_at=now,
            stop_reason=study.origin,
        )
        experiments.set_arms(session, experiment_id=experiment.id, model_ids=model_ids.values())
        outputs = study.outputs
        if outputs is None and study.prompt_set_id is not None:
            outputs = find_outputs(
                session, found, prompt_set_id=study.prompt_set_id, prompt_ids=study.prompt_ids, model_ids=model_ids
            )
        prompt_ids = study.prompt_ids
        if study.prompt_set_id is None:
            prompt_ids = name_prompts(session, found.prompts, study=experiment.key, now=now)
        target = Target(experiment.id, model_ids, prompt_ids, now, study.is_simulated, outputs)
        store_rows(session, found, target)
        n_told = 0 if outputs is None else outputs.count_told(found)
        details = {"n_votes": n_votes, "n_models": len(model_ids), "n_raters": n_raters}
        _log(session, actor, "vote.import", experiment.key, now, details)
    return VoteImport(experiment.id, experiment.key, n_votes, n_raters, len(model_ids), n_told=n_told)


def _asked(found: VoteColumns) -> Asks:
    """The criteria that a file has votes on beside the overall ones."""
    return Asks(tuple(Criterion(key, key) for key in sorted({*found.criteria} - {OVERALL})))


def _find_import(session: Session, origin: str, prompt_set_id: UUID | None) -> Row | None:
    """The experiment that an import of the same file for the same prompt set made."""
    return next(
        (
            row
            for row in experiments.list_experiments(session)
            if row.stop_reason == origin and row.prompt_set_id == prompt_set_id
        ),
        None,
    )


def _log(
    session: Session, actor: Identity | None, action: str, subject: str, now: datetime, details: dict[str, int]
) -> None:
    audit.add_event(session, at=now, actor_id=actor_id(actor), action=action, subject=subject, details=details)


def _prompt_ids(session: Session, prompt_set_id: UUID | None) -> dict[str, UUID] | None:
    """The prompts of the set by the file's own names; None where the votes refer to no set."""
    if prompt_set_id is None:
        return None
    prompts.get_prompt_set(session, prompt_set_id=prompt_set_id)
    return {row.external_id: row.id for row in prompts.list_prompt_keys(session, prompt_set_id=prompt_set_id)}


def _design(session: Session, found: VoteColumns, title: str) -> dict[str, Any]:
    """The key of the study, and its allocation where that is known: those of the study that a file of ours is of."""
    own = found.own
    if own is None or own.key != slug(own.key) or experiments.find_by_key(session, key=own.key) is not None:
        return {"key": free_key(session, title)}
    return {
        "key": own.key,
        **({"allocation": own.allocation} if own.allocation in plugin_names("app.sampling") else {}),
    }


def _known_models(session: Session, found: VoteColumns) -> dict[str, UUID]:
    """The models of a file that are stored, by the name in the file; a file of ours also says which version is meant.

    Such a file tells two versions of a model apart by names that end in them.
    """
    if found.own is None:
        known = models.list_model_names(session)
        return {name: known[name] for name in found.models if name in known}
    keys, newest = models.list_model_keys(session)
    named: dict[str, UUID] = {}
    for name in found.models:
        version = found.own.versions.get(name)
        if version is None:  # nobody saw it, but somebody guessed it
            version = newest.get(name, "")
        for key in ((name, version), (name.removesuffix(f" {version}"), version)):
            if key in keys:
                named.setdefault(name, keys[key])
    return named


def _check_models(known: Mapping[str, UUID]) -> None:
    """Raise BadFileError where two names of a file are one stored model, whose votes on itself they would be."""
    first: dict[UUID, str] = {}
    for name, id_ in known.items():
        if (other := first.setdefault(id_, name)) != name:
            raise BadFileError([RowProblem(0, f"{shown(other)} and {shown(name)} are one and the same stored model")])


def _match_models(session: Session, found: VoteColumns, now: datetime) -> dict[str, UUID]:
    """The model of each name; one that nobody knows is made."""
    known = _known_models(session, found)
    versions = {} if found.own is None else found.own.versions
    new = {name: new_id() for name in found.models if name not in known}
    if new:
        blank = {"connector": "file", "provider_id": "", "organisation": "", "licence": "", "created_at": now}
        rows = ({"id": id_, "name": name, "version": versions.get(name, ""), **blank} for name, id_ in new.items())
        models.add_models(session, rows=rows)
    return {name: new.get(name) or known[name] for name in found.models}
