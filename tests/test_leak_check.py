"""Outputs that name their maker are shown only as an admin chose, and a study that started shows what it showed."""

from __future__ import annotations

import threading
import time
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.domain import GenerationStatus, LeakChoice, Role
from app.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from app.leaks.scanner import MASK, Maker
from app.services import experiments, generations, leaderboard, leak_check, leak_lists, prompt_sets, serving
from app.services.design import get_design
from app.services.leak_check import Watch, check
from db.engine import Database, database
from db.tables import AuditEvent, Generation, Model, Prompt, tables_of
from tests.studies import jsonl, person

audit_event, generation, model, prompt = tables_of(AuditEvent, Generation, Model, Prompt)
TELLING = "I am Tern, made by Birds Inc."
MASKED = f"I am {MASK}, made by {MASK}."
TEXTS = {"Tern": [TELLING, "Plain.", "Ask Tern, she knows."], "Heron": ["One.", "I am ChatGPT.", "Three."]}

pytestmark = pytest.mark.usefixtures("store")


def outputs(texts: dict[str, list[str]] | None = None) -> UUID:
    """Outputs of Tern and Heron for three prompts; the id of the prompt set."""
    asked = prompt_sets.import_prompts(
        None, jsonl(*({"id": f"p{i}", "prompt": f"Question {i}?"} for i in range(3))), name="Questions"
    )
    rows = [
        {"prompt_id": f"p{i}", "model": name, "output": text}
        for name, listed in (texts or TEXTS).items()
        for i, text in enumerate(listed)
    ]
    generations.import_generations(None, jsonl(*rows), prompt_set_id=asked.id)
    return asked.id


def model_ids() -> dict[str, UUID]:
    return {row.name: row.id for row in generations.list_models(None)}


def stored() -> dict[tuple[str, str], tuple[str, str, str | None]]:
    """Status, text and covered text of each generation, by model and prompt."""
    with database().read() as session:
        rows = session.execute(
            select(model.c.name, prompt.c.external_id, *generation.c)
            .join(generation, generation.c.model_id == model.c.id)
            .join(prompt, generation.c.prompt_id == prompt.c.id)
        )
        return {
            (row.name, row.external_id): (
                row.status.value if hasattr(row.status, "value") else row.status,
                row.parts[0]["text"],
                row.original_parts and row.original_parts[0]["text"],
            )
            for row in rows
        }


def started(prompt_set_id: UUID) -> UUID:
    study = experiments.create_experiment(
        None, title="Study", prompt_set_id=prompt_set_id, model_ids=list(model_ids().values()), min_dwell_ms=0
    )
    experiments.start_experiment(None, study)
    return study


def events() -> list[tuple[str, str, dict[str, object]]]:
    with database().read() as session:
        rows = session.execute(select(audit_event).order_by(audit_event.c.sequence))
        return [(row.action, row.subject, row.details) for row in rows if row.action.startswith("leak.")]


# ------------------------------------------------------------------------------------------------ storing


def watch(choice: LeakChoice = LeakChoice.ASK) -> Watch:
    return Watch(Maker("Tern", "Birds Inc"), choice)


PARTS = [{"type": "text", "text": "Fine."}, {"type": "text", "text": TELLING}]


@pytest.mark.parametrize(
    ("choice", "status", "second", "is_covered"),
    [
        (LeakChoice.ASK, GenerationStatus.FLAGGED, TELLING, False),
        (LeakChoice.KEEP, GenerationStatus.OK, TELLING, False),
        (LeakChoice.MASK, GenerationStatus.OK, MASKED, True),
        (LeakChoice.DROP, GenerationStatus.DROPPED, TELLING, False),
    ],
)
def test_a_models_choice_decides_what_a_telling_output_is_stored_as(choice, status, second, is_covered) -> None:
    found = check(watch(choice), "Who are you?", PARTS)
    assert found.status == status
    assert [part["text"] for part in found.parts] == ["Fine.", second]
    assert found.original_parts == (PARTS if is_covered else None)
    assert [(leak["part"], leak["text"]) for leak in found.leaks] == [(1, "Tern"), (1, "Birds Inc")]
    assert PARTS[1]["text"] == TELLING


@pytest.mark.parametrize(
    ("finish", "text", "status"),
    [
        ("stop", " \n", GenerationStatus.EMPTY),
        ("length", TELLING, GenerationStatus.TRUNCATED),
        ("length", "", GenerationStatus.EMPTY),
        ("refusal", TELLING, GenerationStatus.REFUSED),
        ("refusal", "", GenerationStatus.REFUSED),
    ],
)
@pytest.mark.parametrize("choice", list(LeakChoice))
def test_what_is_no_whole_answer_is_marked_whatever_the_choice(finish, text, status, choice) -> None:
    assert check(watch(choice), "", [{"type": "text", "text": text}], finish=finish).status == status


def test_an_import_flags_and_counts_what_names_its_maker() -> None:
    asked = prompt_sets.import_prompts(None, jsonl({"id": "p", "prompt": "Who is ChatGPT of OpenAI?"}), name="One")
    rows = [("A1", "ChatGPT is made by OpenAI."), ("A2", "I am ChatGPT."), ("A3", "")]
    done = generations.import_generations(
        None, jsonl(*({"prompt_id": "p", "model": m, "output": t} for m, t in rows)), prompt_set_id=asked.id
    )
    assert (done.n_stored, done.n_flagged) == (3, 1)
    assert {name: row[0] for (name, _), row in stored().items()} == {"A1": "ok", "A2": "flagged", "A3": "empty"}
    generations.import_generations(
        None, jsonl({"prompt_id": "p", "model": "A1", "output": "x"}), prompt_set_id=asked.id
    )
    assert stored()["A1", "p"][1] == "ChatGPT is made by OpenAI."


def test_a_choice_holds_for_outputs_that_come_later() -> None:
    outputs({"Tern": [TELLING], "Heron": ["One."]})
    leak_check.choose_for_model(None, model_ids()["Tern"], LeakChoice.MASK)
    (asked,) = prompt_sets.list_prompt_sets(None)
    done = generations.import_generations(
        None, jsonl({"prompt_id": "p1", "model": "Tern", "output": TELLING}), prompt_set_id=asked.id
    )
    assert done.n_flagged == 0
    assert stored()["Tern", "p1"] == stored()["Tern", "p0"] == ("ok", MASKED, TELLING)


def test_an_organisation_that_comes_later_is_looked_for_too() -> None:
    outputs({"Tern": ["We of Plumage say so."], "Heron": ["One."]})
    assert stored()["Tern", "p0"][0] == "ok"
    generations.import_models(None, jsonl({"name": "Tern", "organisation": "Plumage"}))
    assert stored()["Tern", "p0"][0] == "flagged"


# ------------------------------------------------------------------------------------------------ who is shown what


def set_status(status: GenerationStatus, *keys: tuple[str, str]) -> None:
    with database().write() as session:
        for name, asked in keys:
            ids = (
                select(generation.c.id)
                .join(model, generation.c.model_id == model.c.id)
                .join(prompt, generation.c.prompt_id == prompt.c.id)
                .where(model.c.name == name, prompt.c.external_id == asked)
            )
            session.execute(update(generation).where(generation.c.id.in_(ids)).values(status=status))


@pytest.mark.parametrize("status", [status for status in GenerationStatus if status != GenerationStatus.OK])
def test_no_rater_is_shown_what_is_not_ok(status) -> None:
    """F27, F28: a study is built from complete answers only, and the hole is where it is."""
    asked = outputs({"Tern": ["a", "b", "c"], "Heron": ["d", "e", "f"]})
    set_status(status, ("Tern", "p0"), ("Heron", "p2"))
    study = started(asked)
    design = get_design(study)
    assert design.n_battles == 1
    shown = set()
    for _ in range(5):
        battle = serving.next_battle(person(experiment_id=study)).battle
        assert battle is not None
        shown |= {battle.left, battle.right}
    assert shown == {"b", "e"}


def test_flagged_outputs_are_not_shown_and_the_checklist_says_so_without_stopping() -> None:
    asked = outputs({"Tern": [TELLING, "Plain.", "c"], "Heron": ["One.", "Two.", "I am ChatGPT."]})
    study = experiments.create_experiment(
        None, title="Study", prompt_set_id=asked, model_ids=list(model_ids().values()), min_dwell_ms=0
    )
    assert experiments.check_experiment(None, study) == []
    (words,) = leak_lists.describe_waiting(None, study)
    assert words.startswith("2 outputs name their maker and wait")
    leak_check.choose_for_model(None, model_ids()["Tern"], LeakChoice.MASK)
    assert leak_lists.describe_waiting(None, study)[0].startswith("1 output names its maker and waits")
    experiments.start_experiment(None, study)
    assert get_design(study).n_battles == 2
    leak_check.choose_for_model(None, model_ids()["Heron"], LeakChoice.DROP)
    assert leak_lists.describe_waiting(None, study) == []


# ------------------------------------------------------------------------------------------------ choosing


def leak_of(name: str, asked: str = "p0") -> UUID:
    return next(row.id for row in leak_lists.list_leaks(None) if (row.model, row.prompt_id) == (name, asked))


def test_one_output_is_kept_masked_and_dropped_in_turn_and_each_choice_is_recorded() -> None:
    outputs()
    chosen = leak_of("Tern")
    for choice, row in {
        LeakChoice.MASK: ("ok", MASKED, TELLING),
        LeakChoice.DROP: ("dropped", TELLING, None),
        LeakChoice.KEEP: ("ok", TELLING, None),
        LeakChoice.ASK: ("flagged", TELLING, None),
    }.items():
        leak_check.choose_for_output(None, chosen, choice)
        assert stored()["Tern", "p0"] == row
    assert [(what, details["before"], details["choice"]) for what, _, details in events()] == [
        ("leak.choose", "flagged", "mask"),
        ("leak.choose", "masked", "drop"),
        ("leak.choose", "dropped", "keep"),
        ("leak.choose", "kept", "ask"),
    ]
    assert stored()["Heron", "p1"][0] == "flagged"


def test_a_choice_for_a_model_changes_all_of_its_and_no_others() -> None:
    outputs()
    done = leak_check.choose_for_model(None, model_ids()["Tern"], LeakChoice.DROP)
    assert (done.model, done.n_changed, done.n_in_use) == ("Tern", 2, 0)
    assert {key: row[0] for key, row in stored().items() if row[0] != "ok"} == {
        ("Tern", "p0"): "dropped",
        ("Tern", "p2"): "dropped",
        ("Heron", "p1"): "flagged",
    }
    ((what, subject, details),) = events()
    assert (what, subject, details["n_changed"], details["before"]) == ("leak.choose", "Tern", 2, "ask")
    by_model = {row.name: (row.choice, dict(row.counts)) for row in leak_lists.list_by_model(None)}
    assert by_model == {"Tern": (LeakChoice.DROP, {"dropped": 2}), "Heron": (LeakChoice.ASK, {"flagged": 1})}


def test_what_a_started_study_shows_can_not_be_changed() -> None:
    asked = outputs()
    leak_check.choose_for_model(None, model_ids()["Tern"], LeakChoice.KEEP)
    study = started(asked)
    before = stored()
    with pytest.raises(ConflictError, match="started shows this output"):
        leak_check.choose_for_output(None, leak_of("Tern"), LeakChoice.MASK)
    done = leak_check.choose_for_model(None, model_ids()["Tern"], LeakChoice.DROP)
    assert (done.n_changed, done.n_in_use) == (0, 2)
    assert stored() == before
    # What was flagged at the start isn't in the study: choosing is free, and doesn't bring it in.
    leak_check.choose_for_output(None, leak_of("Heron", "p1"), LeakChoice.KEEP)
    assert stored()["Heron", "p1"][0] == "ok"
    get_design.__globals__["_load"].cache_clear()
    assert get_design(study).n_battles == 2
    assert get_design(started(asked)).n_battles == 3


def test_a_study_that_was_imported_shows_nothing_and_holds_nothing_back(tmp_path) -> None:
    from app.services import vote_files

    asked = outputs()
    leak_check.choose_for_model(None, model_ids()["Tern"], LeakChoice.KEEP)
    votes = jsonl({"prompt_id": "p0", "left": "Tern", "right": "Heron", "winner": "left", "rater": "r"})
    vote_files.import_votes(None, votes, title="Before", prompt_set_id=asked)
    assert leak_check.choose_for_model(None, model_ids()["Tern"], LeakChoice.DROP).n_changed == 2


def test_only_admins_choose_and_unknown_outputs_are_refused() -> None:
    outputs()
    for role in (Role.RATER, Role.RESEARCHER):
        who = person(role)
        for call in (
            lambda who=who: leak_check.choose_for_output(who, leak_of("Tern"), LeakChoice.KEEP),
            lambda who=who: leak_check.choose_for_model(who, model_ids()["Tern"], LeakChoice.KEEP),
            lambda who=who: leak_check.add_phrase(who, "x"),
            lambda who=who: leak_check.recheck(who),
            lambda who=who: leak_lists.list_leaks(who),
        ):
            with pytest.raises(NotAllowedError):
                call()
    unknown = UUID(int=7)
    with pytest.raises(NotFoundError):
        leak_check.choose_for_output(None, unknown, LeakChoice.KEEP)
    with pytest.raises(NotFoundError):
        leak_check.choose_for_model(None, unknown, LeakChoice.KEEP)
    with pytest.raises(InvalidInputError, match="Known: Heron, Tern"):
        leak_lists.find_model(None, "Gull")


# ------------------------------------------------------------------------------------------------ phrases


def test_an_added_phrase_is_found_in_what_is_stored_and_removed_it_is_shown_as_it_was() -> None:
    outputs({"Tern": ["Say Kestrel.", "b"], "Heron": ["Kestrel!", "c"]})
    leak_check.choose_for_model(None, model_ids()["Heron"], LeakChoice.MASK)
    before = stored()
    done = leak_check.add_phrase(None, " kestrel ")
    assert (done.n_checked, done.n_found, done.n_freed, done.n_in_use) == (4, 2, 0, 0)
    assert stored()["Tern", "p0"] == ("flagged", "Say Kestrel.", None)
    assert stored()["Heron", "p0"] == ("ok", f"{MASK}!", "Kestrel!")
    for again in ("KESTREL", "", "  ", "!?", "x" * 201):
        with pytest.raises(InvalidInputError):
            leak_check.add_phrase(None, again)
    (phrase,) = leak_check.list_phrases(None)
    done = leak_check.remove_phrase(None, phrase.id)
    assert (done.n_found, done.n_freed) == (0, 2)
    assert stored() == before
    with pytest.raises(NotFoundError):
        leak_check.remove_phrase(None, phrase.id)


def test_a_recheck_keeps_what_was_chosen_and_leaves_a_started_study_alone() -> None:
    asked = outputs({"Tern": [TELLING, f"{TELLING} Kestrel", "c"], "Heron": ["Kestrel", "d", "Kestrel too"]})
    leak_check.choose_for_model(None, model_ids()["Tern"], LeakChoice.MASK)
    shown = stored()
    study = started(asked)
    done = leak_check.add_phrase(None, "Kestrel")
    assert (done.n_found, done.n_in_use) == (2, 3)
    assert stored() == shown
    assert leak_lists.count_for_study(None, study) == {"masked": 2, "kept": 2}
    assert leak_check.recheck(None).n_found == 0


def test_a_masked_output_is_masked_anew_and_a_kept_one_waits_when_more_is_found() -> None:
    outputs({"Tern": [f"{TELLING} Kestrel"], "Heron": ["I am ChatGPT. Kestrel"]})
    leak_check.choose_for_model(None, model_ids()["Tern"], LeakChoice.MASK)
    leak_check.choose_for_output(None, leak_of("Heron"), LeakChoice.KEEP)
    leak_check.add_phrase(None, "Kestrel")
    assert stored()["Tern", "p0"] == ("ok", f"{MASKED} {MASK}", f"{TELLING} Kestrel")
    assert stored()["Heron", "p0"][0] == "flagged"


def test_results_say_what_became_of_outputs_that_named_their_maker() -> None:
    asked = outputs()
    leak_check.choose_for_output(None, leak_of("Tern"), LeakChoice.MASK)
    leak_check.choose_for_output(None, leak_of("Tern", "p2"), LeakChoice.DROP)
    board = leaderboard.get_leaderboard(None, started(asked))
    assert board.leaks == {"masked": 1, "dropped": 1, "flagged": 1}


def test_lists_come_in_pages_with_what_stands_around_each_leak(store: Database) -> None:
    asked = prompt_sets.import_prompts(
        None, jsonl(*({"id": f"{i:03}", "prompt": "Who?"} for i in range(45))), name="Many"
    )
    rows = ({"prompt_id": f"{i:03}", "model": "Tern", "output": f"{'x ' * 99}I am Tern. {i}"} for i in range(45))
    generations.import_generations(None, jsonl(*rows), prompt_set_id=asked.id)
    pages = [leak_lists.list_leaks(None, limit=20, offset=offset) for offset in (0, 20, 40, 60)]
    assert [len(page) for page in pages] == [20, 20, 5, 0]
    assert len({row.id for page in pages for row in page}) == 45
    (excerpt,) = pages[0][0].excerpts
    assert excerpt.text == "Tern"
    assert excerpt.before.startswith("…") and excerpt.before.endswith("I am ")
    assert excerpt.after == ". 0"
    assert leak_lists.list_leaks(None, state="masked") == []


def test_a_phrase_added_while_an_output_is_being_stored_is_found_in_it(store: Database) -> None:
    """The output was looked through by the rules of before; the phrase waits until it is stored, then finds it."""
    outputs({"Heron": ["Written at the lake.", "Two.", "Three."]})
    with store.read() as session:
        row = session.execute(select(generation).limit(1)).one()
    adding = threading.Thread(target=leak_check.add_phrase, args=(None, "secret lake"))
    with store.write() as session:
        watches = leak_check.load_watches(session, [row.model_id])
        parts = [{"type": "text", "text": "From the secret lake."}]
        assert check(watches[row.model_id], "", parts).status == GenerationStatus.OK
        adding.start()
        time.sleep(0.3)  # long enough for a phrase that doesn't wait to be stored and looked for
        session.execute(update(generation).where(generation.c.id == row.id).values(parts=parts))
    adding.join(30)
    with store.read() as session:
        found = session.execute(select(generation.c.status).where(generation.c.id == row.id)).scalar_one()
    assert found == GenerationStatus.FLAGGED
