"""Outputs that name their maker: found when they are stored, shown only as an admin chose, counted beside results."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from app.domain import GenerationStatus, Identity, LeakChoice, Role, utc_now
from app.errors import ConflictError, InvalidInputError, NotFoundError
from app.leaks.scanner import Leak, Maker, mask, scanner_of
from app.services.sign_in import actor_id, require
from app.services.typed_text import checked_name
from db import audit, experiments, leaks, measures
from db.engine import Row, Session, database

Parts = list[dict[str, Any]]
Key = tuple[UUID, UUID, int]  # the model, the prompt and the number of the sample
STATES = ("flagged", "kept", "masked", "dropped")
_CHOICE_OF = {"flagged": LeakChoice.ASK, "kept": LeakChoice.KEEP, "masked": LeakChoice.MASK, "dropped": LeakChoice.DROP}
_STATE_OF = {choice: state for state, choice in _CHOICE_OF.items()}
_IN_USE = "A study that was started shows this output to its raters, so what they see can't change any more."
_AT_ONCE = 500  # generations in one transaction of a recheck, so that a vote waits a moment and no more
_FINISHES = {"length": GenerationStatus.TRUNCATED, "refusal": GenerationStatus.REFUSED}


class Checked(NamedTuple):
    """What a generation is stored as; ``original_parts`` is what a mask covers."""

    status: GenerationStatus
    leaks: list[dict[str, Any]]
    parts: Parts
    original_parts: Parts | None


@dataclass(frozen=True, slots=True)
class Watch:
    """What one model's outputs are looked through for, and what becomes of those that name it."""

    maker: Maker
    choice: LeakChoice
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that an admin added to those that Bakeoff knows."""

    id: UUID
    text: str


@dataclass(frozen=True, slots=True)
class ChoiceSummary:
    """What a choice for a model changed; ``n_in_use`` outputs stay, since a started study shows them."""

    model: str
    n_changed: int
    n_in_use: int


@dataclass(frozen=True, slots=True)
class RecheckSummary:
    """What a recheck found: outputs that are leaks now, outputs that are none any more, and those that stay in use."""

    n_checked: int
    n_found: int
    n_freed: int
    n_in_use: int


# ------------------------------------------------------------------------------------------------ storing


def load_watches(session: Session, model_ids: Iterable[UUID]) -> dict[UUID, Watch]:
    """What to look for in the outputs of these models; it stays so until the session's transaction ends."""
    leaks.hold_rules(session)
    phrases = tuple(row.phrase for row in leaks.list_phrases(session))
    return {id_: _watch(row, phrases) for id_, row in leaks.list_makers(session, model_ids=set(model_ids)).items()}


def watch_of_new(session: Session, name: str) -> Watch:
    """What to look for in the outputs of a model of which only the name is known, and which isn't stored yet."""
    leaks.hold_rules(session)
    return Watch(Maker(name), LeakChoice.ASK, tuple(row.phrase for row in leaks.list_phrases(session)))


def _watch(row: Row, phrases: tuple[str, ...]) -> Watch:
    return Watch(Maker(row.name, row.organisation, row.provider_id), LeakChoice(row.leak_choice), phrases)


def prompt_text(messages: Sequence[Mapping[str, str]]) -> str:
    """All that a prompt says, for ``check``."""
    return "\n".join(message["content"] for message in messages)


def check(watch: Watch, prompt: str, parts: Parts, *, finish: str = "stop") -> Checked:
    """What an output is stored as, which came to its end by ``finish`` ("stop", "length" or "refusal").

    Only a whole answer is looked through; anything else is never shown.
    """
    status = _FINISHES.get(finish, GenerationStatus.OK)
    if all(part["type"] == "text" and not part["text"].strip() for part in parts):
        status = GenerationStatus.REFUSED if status == GenerationStatus.REFUSED else GenerationStatus.EMPTY
    if status != GenerationStatus.OK or not (found := find_leaks(watch, prompt, parts)):
        return Checked(status, [], parts, None)
    return _chosen(watch.choice, parts, found)


def find_leaks(watch: Watch, prompt: str, parts: Parts) -> list[dict[str, Any]]:
    """The leaks of an output as they are stored; ``part`` is the number of the part, counted from 0."""
    scanner = scanner_of(watch.maker, watch.phrases)
    return [
        {"part": number, **leak._asdict()}
        for number, part in enumerate(parts)
        if part["type"] == "text"
        for leak in scanner.scan(part["text"], prompt)
    ]


def check_again(session: Session, row: Row) -> Checked:
    """What a withdrawn output (a row of ``db.leaks``) is stored as when it is put back, by what is known of leaks now.

    A mask that covers all of them stays, and one that doesn't is made anew. Any other output that names its maker
    becomes what is chosen for its model; where that isn't to show it, it waits for an admin's choice.
    """
    watch = load_watches(session, [row.model_id])[row.model_id]
    prompt, original = prompt_text(row.messages), row.original_parts or row.parts
    found = find_leaks(watch, prompt, original)
    if not find_leaks(watch, prompt, row.parts):
        return Checked(GenerationStatus.OK, found, row.parts, row.original_parts)
    choice = LeakChoice.ASK if watch.choice == LeakChoice.DROP else watch.choice
    checked = _chosen(LeakChoice.MASK if row.original_parts else choice, original, found)
    if checked.parts != row.parts:
        measures.forget_text(session, generation_ids=[row.id])
    return checked


def _chosen(choice: LeakChoice, original: Parts, found: list[dict[str, Any]]) -> Checked:
    if choice == LeakChoice.MASK:
        return Checked(GenerationStatus.OK, found, _masked(original, found), original)
    status = {LeakChoice.KEEP: GenerationStatus.OK, LeakChoice.DROP: GenerationStatus.DROPPED}.get(choice)
    return Checked(status or GenerationStatus.FLAGGED, found, original, None)


def _masked(original: Parts, found: list[dict[str, Any]]) -> Parts:
    spans: dict[int, list[Leak]] = {}
    for leak in found:
        spans.setdefault(leak["part"], []).append(Leak(leak["start"], leak["end"], leak["text"], leak["phrase"]))
    return [
        {**part, "text": mask(part["text"], spans[number])} if number in spans else part
        for number, part in enumerate(original)
    ]


def look_through(watches: Mapping[UUID, Watch], outputs: Iterable[tuple[Key, Parts]]) -> dict[Key, Checked]:
    """What those of these whole answers that name their makers are to be stored as.

    It reads the prompts of few outputs, since few name anybody at all. Call it outside of a writing transaction: it may
    take minutes, and nobody could vote meanwhile.
    """
    found: dict[Key, Checked] = {}
    suspects = ((key, parts) for key, parts in outputs if find_leaks(watches[key[0]], "", parts))
    while some := list(islice(suspects, _AT_ONCE)):
        with database().read() as session:
            messages = leaks.list_messages(session, prompt_ids={key[1] for key, _ in some})
        for key, parts in some:
            checked = check(watches[key[0]], prompt_text(messages[key[1]]), parts)
            if checked.leaks:
                found[key] = checked
    return found


# ------------------------------------------------------------------------------------------------ choosing


def choose_for_output(actor: Identity | None, generation_id: UUID, choice: LeakChoice) -> None:
    """Keep, mask or drop one output that names its maker; ``ask`` leaves it for later.

    Raises ConflictError when a study that was started shows it.
    """
    require(actor, Role.ADMIN)
    now = utc_now()
    with database().write() as session:
        if not (rows := leaks.list_leaking(session, generation_id=generation_id)):
            raise NotFoundError("There is no such output that names its maker.")
        leaks.hold_drafts(session, model_ids={rows[0].model_id})
        if not (rows := leaks.list_leaking(session, generation_id=generation_id)):
            raise ConflictError("This output was withdrawn meanwhile.")
        (row,) = rows
        if row.is_in_use:
            raise ConflictError(_IN_USE)
        if row.state == _STATE_OF[choice]:
            return
        _store_choice(session, row, choice, row.leaks, now)
        name = leaks.list_makers(session, model_ids={row.model_id})[row.model_id].name
        details = {"generation": str(row.id), "before": row.state, "choice": choice.value}
        _log(session, actor, "leak.choose", f"{name}, prompt {row.external_id}", now, details)


def choose_for_model(actor: Identity | None, model_id: UUID, choice: LeakChoice) -> ChoiceSummary:
    """What becomes of all outputs of a model that name their maker, those to come included.

    Outputs that a started study shows stay as they are and are counted. With ``ask`` only those to come are changed.
    """
    require(actor, Role.ADMIN)
    now = utc_now()
    with database().write() as session:
        leaks.hold_rules(session, is_change=True)
        makers = leaks.list_makers(session, model_ids={model_id})
        if model_id not in makers:
            raise NotFoundError("There is no such model.")
        leaks.hold_drafts(session, model_ids={model_id})
        leaks.set_choice(session, model_id=model_id, choice=choice)
        rows = [] if choice == LeakChoice.ASK else leaks.list_leaking(session, model_id=model_id)
        other = [row for row in rows if row.state != _STATE_OF[choice]]
        changed = [row for row in other if not row.is_in_use]
        for row in changed:
            _store_choice(session, row, choice, row.leaks, now)
        done = ChoiceSummary(makers[model_id].name, len(changed), len(other) - len(changed))
        details: dict[str, object] = {"before": makers[model_id].leak_choice, "choice": choice.value}
        details |= {"n_changed": done.n_changed, "n_in_use": done.n_in_use}
        details["generations"] = [str(row.id) for row in changed[:100]]
        _log(session, actor, "leak.choose", done.model, now, details)
    return done


def _store_choice(
    session: Session, row: Row, choice: LeakChoice, found: list[dict[str, Any]], now: datetime
) -> GenerationStatus:
    if found:
        chosen = _chosen(choice, row.original_parts or row.parts, found)
    else:
        chosen = Checked(GenerationStatus.OK, [], row.original_parts or row.parts, None)
    is_ready, was_ready = (one.status == GenerationStatus.OK for one in (chosen, row))
    # What was put back and waits for a choice keeps its place in the studies that have shown it.
    ready_at = None if was_ready and not is_ready else row.ready_at or (now if is_ready else None)
    columns = {**chosen._asdict(), "ready_at": ready_at, "error": ""}
    leaks.update_leaks(session, generation_id=row.id, columns=columns)
    if is_ready and not was_ready and row.ready_at is not None:
        experiments.count_put_back(session, generation_id=row.id)
    if chosen.parts != row.parts:
        measures.forget_text(session, generation_ids=[row.id])
    return chosen.status


def _log(
    session: Session,
    actor: Identity | None,
    action: str,
    subject: str,
    now: datetime,
    details: Mapping[str, object] | None = None,
) -> None:
    audit.add_event(session, at=now, actor_id=actor_id(actor), action=action, subject=subject, details=details)


# ------------------------------------------------------------------------------------------------ phrases


def list_phrases(actor: Identity | None) -> list[Phrase]:
    """What admins added to the words that give a maker away."""
    require(actor, Role.ADMIN)
    with database().read() as session:
        return [Phrase(row.id, row.phrase) for row in leaks.list_phrases(session)]


def add_phrase(actor: Identity | None, text: str) -> RecheckSummary:
    """Look for these words in every output from now on, and in all that are stored already."""
    require(actor, Role.ADMIN)
    text = checked_name(text, what="the phrase")
    if not any(sign.isalnum() for sign in text):
        raise InvalidInputError("The phrase needs a letter or a digit.")
    now = utc_now()
    with database().write() as session:
        leaks.hold_rules(session, is_change=True)
        if any(row.phrase.casefold() == text.casefold() for row in leaks.list_phrases(session)):
            raise InvalidInputError(f"“{text}” is in the list already.")
        leaks.add_phrase(session, text=text, now=now, created_by=actor_id(actor))
        _log(session, actor, "leak.phrase.add", text, now)
    return recheck(actor)


def remove_phrase(actor: Identity | None, phrase_id: UUID) -> RecheckSummary:
    """Look for these words no longer; outputs that name their maker by nothing else are shown as they were."""
    require(actor, Role.ADMIN)
    now = utc_now()
    with database().write() as session:
        leaks.hold_rules(session, is_change=True)
        found = next((row for row in leaks.list_phrases(session) if row.id == phrase_id), None)
        if found is None:
            raise NotFoundError("This phrase isn't in the list any more.")
        leaks.delete_phrase(session, phrase_id=phrase_id)
        _log(session, actor, "leak.phrase.remove", found.phrase, now)
    return recheck(actor)


def recheck(actor: Identity | None, *, model_ids: Collection[UUID] | None = None) -> RecheckSummary:
    """Look through all stored outputs again, or those of some models.

    What is found newly becomes what its model's choice says, what is no leak any more is shown as it was, and what a
    started study shows stays as its raters know it. It works through the outputs in small transactions; stopped in the
    middle, it can simply be started again.
    """
    require(actor, Role.ADMIN)
    counts, after, n_changed = [0, 0, 0, 0], None, 0
    if model_ids is not None and not model_ids:
        return RecheckSummary(*counts)
    while True:
        with database().read() as session:
            rows = leaks.list_checked(session, model_ids=model_ids, after=after, limit=_AT_ONCE)
            watches = load_watches(session, {row.model_id for row in rows})
        if not rows:
            break
        after = rows[-1].id
        counts[0] += len(rows)
        changed = {row.id for row in rows if _found_in(row, watches) != row.leaks}
        if changed:
            with database().write() as session:
                _store_recheck(session, changed, watches, counts)
            n_changed += len(changed)
    done = RecheckSummary(*counts)
    if not n_changed:
        return done
    with database().write() as session:
        details = {"n_found": done.n_found, "n_freed": done.n_freed, "n_in_use": done.n_in_use}
        _log(session, actor, "leak.recheck", f"{done.n_checked} generations", utc_now(), details)
    return done


def _found_in(row: Row, watches: Mapping[UUID, Watch]) -> list[dict[str, Any]]:
    return find_leaks(watches[row.model_id], prompt_text(row.messages), row.original_parts or row.parts)


def _store_recheck(session: Session, ids: set[UUID], watches: Mapping[UUID, Watch], counts: list[int]) -> None:
    """Store what was found, read once more: somebody may have chosen, or started a study, since."""
    now = utc_now()
    leaks.hold_drafts(session, model_ids=set(watches))
    for row in leaks.list_by_ids(session, generation_ids=ids):
        found = _found_in(row, watches)
        if found == row.leaks or row.status in (GenerationStatus.WITHDRAWN, GenerationStatus.ASKING):
            continue
        counts[1] += bool(found) and not row.leaks
        counts[2] += not found
        if row.is_in_use:
            counts[3] += 1
            leaks.update_leaks(session, generation_id=row.id, columns={"leaks": found})
        else:
            _store_choice(session, row, _choice_again(row, watches[row.model_id].choice), found, now)


def _choice_again(row: Row, default: LeakChoice) -> LeakChoice:
    """An admin who masked or dropped an output need not do so again; one who kept it has not seen what is new in it."""
    return default if row.state == "kept" else _CHOICE_OF[row.state]
