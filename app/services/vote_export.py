"""Votes to files: any study goes out in our own columns, in those of other tools, or as data for training."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, BinaryIO, cast
from uuid import UUID

from app import __version__
from app.discovery import find_plugins
from app.domain import Identity, Role, utc_now
from app.errors import InvalidInputError
from app.file_rows import Card
from app.formats._judged import Carries, Unit
from app.services import export_methods, hidden_results
from app.services.export_manifest import Hashing, Manifest, methods_text
from app.services.export_rows import Filter, Reading, told_apart
from app.services.garbage import collected_rarely
from app.services.sign_in import require
from app.study import OVERALL, asks_of, flow_of
from db import experiments, exports
from db.engine import Session, database

OWN = Carries("Nothing is left out: votes that don't count are in it and marked.", texts="none")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of an export; None is what is usual for the format.

    Our own formats usually have all criteria and staff, which they tell apart; the others overall votes of raters.
    """

    file_format: str = "jsonl"
    criterion: str | None = None
    with_staff: bool | None = None
    unit: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format that votes can be written in, in words."""

    key: str
    label: str
    about: str
    not_carried: str
    ending: str
    units: tuple[Unit, ...]
    has_texts: bool
    needs_reference: bool
    is_own: bool


def _writers() -> dict[str, ModuleType]:
    """The writers of votes by key: our own formats first, then the others."""
    found = find_plugins("app.formats")
    own = {
        key.removeprefix("votes_"): plugin
        for key, plugin in found.items()
        if plugin.KIND == "votes" and hasattr(plugin, "write")
    }
    order = sorted(own, key=("jsonl", "csv", "parquet").index)
    others = {key.removeprefix("export_"): plugin for key, plugin in found.items() if plugin.KIND == "export"}
    return {key: own[key] for key in order} | others


def _is_own(plugin: ModuleType) -> bool:
    return str(plugin.KIND) == "votes"


def _carries(plugin: ModuleType) -> Carries:
    return OWN if _is_own(plugin) else cast("Carries", plugin.CARRIES)


def list_formats() -> dict[str, ExportFormat]:
    """Every format that votes can be written in, by key."""
    found = {}
    for key, plugin in _writers().items():
        carries, is_own = _carries(plugin), _is_own(plugin)
        found[key] = ExportFormat(
            key,
            plugin.LABEL,
            plugin.ABOUT,
            carries.not_carried,
            f".{key}" if is_own else plugin.SUFFIX,
            carries.units,
            carries.texts != "none",
            carries.needs_reference,
            is_own,
        )
    return found


def find_filter(session: Session, experiment: Any, wanted: Wanted) -> tuple[ModuleType, Filter]:
    """The writer, and which votes it gets; InvalidInputError for what can't be."""
    writers = _writers()
    if wanted.file_format not in writers:
        raise InvalidInputError(f"Votes can be written as {', '.join(writers)}; not as {wanted.file_format!r}.")
    plugin = writers[wanted.file_format]
    carries, is_own = _carries(plugin), _is_own(plugin)
    criteria = [OVERALL, *(one.key for one in asks_of(experiment.asks).criteria)]
    criterion = wanted.criterion or (None if is_own else OVERALL)
    if criterion is not None and criterion not in criteria:
        raise InvalidInputError(f"This study asks for no criterion {criterion!r}. Known: {', '.join(criteria)}.")
    unit = wanted.unit or carries.units[0]
    if unit not in carries.units:
        raise InvalidInputError(f"A row of {plugin.LABEL} stands for a {carries.units[0]}; not for {unit!r}.")
    reference = _reference(session, experiment, plugin, wanted.reference)
    with_staff = is_own if wanted.with_staff is None else wanted.with_staff
    return plugin, Filter(carries, is_own, criterion, with_staff, unit, reference)


def _reference(session: Session, experiment: Any, plugin: ModuleType, name: str | None) -> str | None:
    if not _carries(plugin).needs_reference:
        if name:
            raise InvalidInputError(f"{plugin.LABEL} has no reference model; leave it out.")
        return None
    named = exports.list_names(session, experiment_id=experiment.id)
    sides = told_apart(named)
    known = sorted({sides[id_].name for both in named.pairs.values() for id_ in both})
    if name not in known:
        what = f"There is no model {name!r} in this study" if name else f"{plugin.LABEL} needs a reference model"
        raise InvalidInputError(f"{what}. Known: {', '.join(known)}.")
    return name


def list_references(actor: Identity | None, experiment_id: UUID) -> list[str]:
    """The models of a study that can be a reference, by name."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        named = exports.list_names(session, experiment_id=experiment_id)
    sides = told_apart(named)
    return sorted({sides[id_].name for both in named.pairs.values() for id_ in both})


@collected_rarely()
def export_votes(
    actor: Identity | None,
    experiment_id: UUID,
    stream: BinaryIO,
    wanted: Wanted | None = None,
    *,
    tells_ranking: bool = True,
) -> Manifest:
    """Write the votes of a study in constant memory and as they stand at one moment; what the file then is.

    Raters appear under a pseudonym. The manifest's ranking is that of the votes a moment later, which the results pages
    hold in memory; whoever drops the manifest needs none computed for it (``tells_ranking``).
    """
    require(actor, Role.RESEARCHER)
    hidden_results.check_export(actor, experiment_id)
    wanted = wanted or Wanted()
    with database().read() as session:
        experiment = experiments.get_experiment(session, experiment_id=experiment_id)
        plugin, chosen = find_filter(session, experiment, wanted)
        arms = experiments.list_arms(session, experiment_id=experiment_id)
        methods = methods_text(experiment, len(arms))
        reading, out = Reading(session, experiment, chosen), Hashing(stream)
        card = _card(experiment, arms, methods) if wanted.file_format == "dataset" else None
        rows = reading.own() if chosen.is_own else reading.judged()
        options = {} if card is None else {"card": card}
        n_rows = plugin.write(rows, cast("BinaryIO", out), **options)
        out.flush()
    ending = list_formats()[wanted.file_format].ending
    return Manifest(
        file_format=wanted.file_format,
        label=plugin.LABEL,
        experiment=experiment.key,
        title=experiment.title,
        wanted={
            "criterion": chosen.criterion or "all",
            "with_staff": chosen.with_staff,
            "row_is": chosen.unit,
            "reference": chosen.reference,
        },
        n_rows=n_rows,
        n_votes=reading.n_votes,
        left_out=dict(reading.left_out),
        not_carried=chosen.carries.not_carried,
        app_version=__version__,
        made_at=utc_now().isoformat(timespec="seconds").replace("+00:00", "Z"),
        methods=methods,
        ranking_methods=export_methods.describe_ranking(actor, experiment_id) if tells_ranking else "",
        is_simulated=bool(experiment.is_simulated),
        files=(out.facts(f"{experiment.key}-{wanted.file_format}{ending}"),),
    )


def _card(experiment: Any, arms: list[Any], methods: str) -> Card:
    models = tuple((arm.name, arm.version, arm.organisation, arm.licence) for arm in arms)
    consent = flow_of(experiment.flow).consent
    return Card(experiment.title, experiment.key, methods, consent, bool(experiment.is_simulated), __version__, models)
