"""Media that models made: taken in bare, in forms that tell nothing, or refused by line and reason."""

from __future__ import annotations

import io
import json
import math
import struct
import wave
import zipfile
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image
from sqlalchemy import update
from sqlmodel import col

from app.domain import Answer, Identity, Part, Receipt, utc_now
from app.errors import BadFileError, InvalidInputError, TooEarlyError
from app.services import experiments, generation_files, generations, media, output_media, prompt_sets, serving, voting
from app.services.film import clean_film
from app.services.shown import get_shown
from app.services.sound import clean_sound
from db import battles
from db.engine import database
from db.tables import Experiment
from tests.stored import fresh_database, n_rows
from tests.studies import data_url, jsonl, person, png


@pytest.fixture(autouse=True)
def _stored(database_url, monkeypatch, tmp_path):
    monkeypatch.setenv("BAKEOFF_DATA", str(tmp_path / "data"))
    with fresh_database(monkeypatch, database_url):
        yield


def wav(*, seconds: float = 0.3, comment: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        n = int(8000 * seconds)
        file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(i / 3))) for i in range(n)))
    data = stream.getvalue()
    return data + (b"LIST" + struct.pack("<L", len(comment)) + comment if comment else b"")


def box(kind: bytes, *contents: bytes) -> bytes:
    body = b"".join(contents)
    return struct.pack(">L4s", len(body) + 8, kind) + body


def _lengths(length_ms: int, *, is_long: bool, is_in_fragments: bool) -> bytes:
    """The movie header in ticks of a 600th of a second, and where the film is in fragments the header of these."""
    ticks = length_ms * 600 // 1000 if length_ms < 2**31 else length_ms
    head, more = (">B3x16xLQ", ">B3xQ") if is_long else (">B3x8xLL", ">B3xL")
    mvhd = box(b"mvhd", struct.pack(head, is_long, 600, 0 if is_in_fragments else ticks), bytes(80))
    mehd = box(b"mvex", box(b"mehd", struct.pack(more, is_long, ticks))) if is_in_fragments else b""
    return mvhd + mehd


def mp4(name: bytes = b"Model X", *, length_ms: int = 0, is_long: bool = False, is_in_fragments: bool = False) -> bytes:
    """A film's boxes with every place in which programs write their names."""
    lengths = _lengths(length_ms, is_long=is_long, is_in_fragments=is_in_fragments)
    entry = box(b"avc1", bytes(42), bytes([len(name)]) + name.ljust(31), bytes(4), box(b"avcC", b"settings"))
    tables = box(b"stbl", box(b"stsd", bytes(8), entry), box(b"stco", bytes(8)))
    handler = box(b"hdlr", bytes(8), b"vide", bytes(12), name + b"\0")
    media_ = box(b"mdia", box(b"mdhd", bytes(4), b"\x01\x02\x03\x04" * 2, bytes(12)), handler, box(b"minf", tables))
    told = box(b"udta", box(b"meta", name)) + box(b"uuid", name) + box(b"Xtra", name)
    picture = b"\xdc\x45\xe9\xbd\xe6\xd9\x48\xb7\x96\x2c\xd8\x20\xd9\x23\xee\xefx264 " + name + b"\0picture"
    moov = box(b"moov", lengths, box(b"trak", media_), told)
    return box(b"ftyp", b"isom", bytes(4)) + moov + box(b"free", name) + box(b"mdat", picture)


def element(kind: int, body: bytes) -> bytes:
    name = kind.to_bytes((kind.bit_length() + 7) // 8, "big")
    return name + (0x0100000000000000 | len(body)).to_bytes(8, "big") + body


def webm(name: bytes = b"Model X", *, duration: bytes = b"") -> bytes:
    info = element(0x1549A966, duration + element(0x4D80, name) + element(0x5741, name) + element(0x7BA9, name))
    tracks = element(0x1654AE6B, element(0xAE, element(0x536E, name) + element(0x86, b"V_VP8")))
    tags = element(0x1254C367, element(0x7373, name))
    time = element(0xE7, (700).to_bytes(2, "big"))
    cluster = element(0x1F43B675, time + element(0xA3, b"\x81" + (40).to_bytes(2, "big") + b"\x80picture"))
    return element(0x1A45DFA3, element(0x4282, b"webm")) + element(0x18538067, info + tracks + tags + cluster)


def asked() -> prompt_sets.PromptSetSummary:
    return prompt_sets.import_prompts(None, jsonl({"id": "p", "prompt": "Draw."}), name="Set")


def output(model: str, kind: str, file: str) -> dict[str, object]:
    return {"prompt_id": "p", "model": model, "content": [{"type": kind, "file": file}]}


def test_both_sides_have_one_format_and_no_metadata_whatever_a_model_gave() -> None:
    one, exif = asked(), Image.Exif()
    exif[0x010E] = "made by Model X"
    marked = png("green", format="JPEG", exif=exif)
    rows = [output("A", "image", data_url(png())), output("B", "image", data_url(marked))]
    done = generations.import_generations(None, jsonl(*rows), prompt_set_id=one.id)
    files = sorted(media.folder().iterdir())
    assert (done.n_stored, len(files), {path.suffix for path in files}) == (2, 2, {".png"})
    for path in files:
        with Image.open(path) as image:
            assert (image.format, image.mode, image.info) == ("PNG", "RGB", {})
    models = [row.id for row in generations.list_models(None)]
    experiment = experiments.create_experiment(None, title="See", prompt_set_id=one.id, model_ids=models)
    experiments.start_experiment(None, experiment)
    ballot = serving.next_battle(person(experiment_id=experiment))
    assert ballot is not None and ballot.battle is not None and ballot.battle.sides is not None
    assert set(ballot.battle.sides) == {(Part("image", f"/m/{path.name}"),) for path in files}
    assert not ballot.battle.must_play
    again = generations.import_generations(None, jsonl(*rows), prompt_set_id=one.id)
    assert (again.n_stored, again.n_known, len(list(media.folder().iterdir()))) == (0, 2, 2)


def test_a_zip_has_the_files_and_an_export_brings_them_back() -> None:
    one, stream = asked(), io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        parts = [{"type": "text", "text": "Hear:"}, {"type": "audio", "file": "model-x.wav"}]
        archive.writestr("rows.jsonl", json.dumps({"prompt_id": "p", "model": "A", "content": parts}))
        archive.writestr("model-x.wav", wav(comment=b"INFOIART\x08\0\0\0Model X\0"))
    stream.seek(0)
    generations.import_generations(None, stream, prompt_set_id=one.id)
    (path,) = media.folder().iterdir()
    assert path.suffix == ".flac" and b"Model X" not in path.read_bytes()
    written = io.BytesIO()
    assert generation_files.export_generations(None, one.id, written, file_format="jsonl") == 1
    [row] = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [part["type"] for part in row["content"]] == ["text", "audio"]
    with pytest.raises(InvalidInputError, match="cannot carry"):
        generation_files.export_generations(None, one.id, io.BytesIO(), file_format="parquet")
    other = prompt_sets.import_prompts(None, jsonl({"id": "p", "prompt": "Again."}), name="Other")
    written.seek(0)
    assert generations.import_generations(None, written, prompt_set_id=other.id).n_stored == 1
    assert len(list(media.folder().iterdir())) == 1  # a FLAC of our own making comes out the same


def test_both_sides_with_sound_are_to_be_played() -> None:
    one = asked()
    rows = [output(name, "audio", data_url(wav(seconds=0.1 * n))) for n, name in enumerate("AB", start=1)]
    generations.import_generations(None, jsonl(*rows), prompt_set_id=one.id)
    models = [row.id for row in generations.list_models(None)]
    experiment = experiments.create_experiment(None, title="Hear", prompt_set_id=one.id, model_ids=models)
    experiments.start_experiment(None, experiment)
    rater = person(experiment_id=experiment)
    ballot = serving.next_battle(rater)
    assert ballot is not None and ballot.battle is not None and ballot.battle.must_play
    assert not get_shown(rater, ballot.battle.id).must_play, "looked at again, nothing waits for it"


def films(*lengths_ms: int) -> tuple[Identity, UUID, UUID]:
    """A rater with a battle of two films of these lengths on the screen, and the study."""
    one = asked()
    rows = [output(f"Model {n}", "video", data_url(mp4(length_ms=length))) for n, length in enumerate(lengths_ms)]
    generations.import_generations(None, jsonl(*rows), prompt_set_id=one.id)
    models = [row.id for row in generations.list_models(None)]
    experiment = experiments.create_experiment(
        None, title="Watch", prompt_set_id=one.id, model_ids=models, min_dwell_ms=0
    )
    experiments.start_experiment(None, experiment)
    rater = person(experiment_id=experiment)
    ballot = serving.next_battle(rater)
    assert ballot is not None and ballot.battle is not None and ballot.battle.must_play
    return rater, ballot.battle.id, experiment


def test_the_server_takes_no_vote_before_the_longer_film_can_have_been_played() -> None:
    """A page of one's own, which holds no lock, gains nothing; an early answer doesn't begin the time anew."""
    rater, battle, _ = films(4_000, 20_000)
    for answer in (Answer.LEFT, Answer.TIE, Answer.BOTH_BAD):
        with pytest.raises(TooEarlyError, match=r"the longer side plays for 20\.0 s"):
            voting.cast_vote(rater, battle, answer)
    assert n_rows().get("vote", 0) == 0
    _shown_before(battle, seconds=17.9)
    with pytest.raises(TooEarlyError):
        voting.cast_vote(rater, battle, Answer.RIGHT)
    _shown_before(battle, seconds=18.1)  # nine tenths are enough for the browser, too
    assert voting.cast_vote(rater, battle, Answer.RIGHT)[0] == Receipt.SAVED


def _shown_before(battle_id: UUID, *, seconds: float) -> None:
    with database().write() as session:
        battles.restart_dwell(session, battle_id=battle_id, now=utc_now() - timedelta(seconds=seconds))


def test_who_can_not_judge_a_film_need_not_wait_for_its_end() -> None:
    rater, battle, _ = films(20_000, 20_000)
    assert voting.cast_vote(rater, battle, Answer.SKIP)[0] == Receipt.SAVED


def test_where_films_may_be_left_unplayed_the_server_holds_nobody_up() -> None:
    rater, battle, experiment = films(20_000, 20_000)
    with database().write() as session:
        session.execute(update(Experiment).where(col(Experiment.id) == experiment).values(flow={"must_play": False}))
    assert voting.cast_vote(rater, battle, Answer.LEFT)[0] == Receipt.SAVED


def test_a_sound_beside_a_text_is_to_be_played_too() -> None:
    one = asked()
    rows = [
        output("A", "audio", data_url(wav(seconds=20))),
        {"prompt_id": "p", "model": "B", "content": [{"type": "text", "text": "Words."}]},
    ]
    generations.import_generations(None, jsonl(*rows), prompt_set_id=one.id)
    models = [row.id for row in generations.list_models(None)]
    experiment = experiments.create_experiment(
        None, title="Hear", prompt_set_id=one.id, model_ids=models, min_dwell_ms=0
    )
    experiments.start_experiment(None, experiment)
    rater = person(experiment_id=experiment)
    ballot = serving.next_battle(rater)
    assert ballot is not None and ballot.battle is not None and ballot.battle.must_play
    with pytest.raises(TooEarlyError, match=r"the longer side plays for 20\.0 s"):
        voting.cast_vote(rater, ballot.battle.id, Answer.LEFT)
    _shown_before(ballot.battle.id, seconds=18.1)
    assert voting.cast_vote(rater, ballot.battle.id, Answer.LEFT)[0] == Receipt.SAVED


def test_films_that_do_not_say_their_length_are_held_by_the_browser_alone() -> None:
    rater, battle, _ = films(0, 0)
    assert voting.cast_vote(rater, battle, Answer.LEFT)[0] == Receipt.SAVED


def test_the_length_of_a_sound_is_that_of_its_samples() -> None:
    assert clean_sound(wav(seconds=1.25))[3] == 1250


@pytest.mark.parametrize(
    ("film", "length"),
    [
        (lambda: mp4(length_ms=2_500), 2_500),
        (mp4, None),
        (lambda: mp4(length_ms=2_500, is_long=True), 2_500),
        (lambda: mp4(length_ms=2_500, is_in_fragments=True), 2_500),
        (lambda: mp4(length_ms=2**32 - 2), None),  # weeks, which 100 MB can't hold
        (lambda: webm(duration=element(0x4489, struct.pack(">d", 1500.0))), 1_500),
        (lambda: webm(duration=element(0x4489, struct.pack(">f", 1500.0)) + element(0x2AD7B1, b"\x0f\x42\x40")), 1_500),
        (lambda: webm(duration=element(0x4489, struct.pack(">d", math.nan))), 740),
        (webm, 740),  # the last block, 40 ms after its cluster
    ],
)
def test_the_length_of_a_film_is_what_it_says(film, length) -> None:
    assert clean_film(film())[3] == length


@pytest.mark.parametrize(
    ("kind", "file", "words"),
    [
        ("image", data_url(b"<svg onload='alert(1)'/>"), "not a PNG"),
        ("image", "https://example.org/x.png", "at another place"),
        ("audio", data_url(b"RIFF" + bytes(50)), "no sound that can be read"),
        ("audio", data_url(b""), "is empty"),
        ("video", data_url(b"\0\0\0\x18ftypisom"), "damaged film"),
        ("video", data_url(png()), "no film"),
        ("video", "../film.mp4", "beside this one"),
    ],
)
def test_what_can_not_be_shown_is_named_and_nothing_is_kept(kind: str, file: str, words: str) -> None:
    one = asked()
    before = n_rows()
    rows = [output("A", "image", data_url(png())), output("B", kind, file)]
    with pytest.raises(BadFileError) as caught:
        generations.import_generations(None, jsonl(*rows), prompt_set_id=one.id)
    [problem] = caught.value.problems
    assert problem.line == 2 and words in problem.reason
    assert (n_rows(), list(media.folder().glob("*"))) == (before, [])


def test_a_file_of_too_many_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(output_media.MAX_BYTES, "video", 10)
    with pytest.raises(InvalidInputError, match="larger than"):
        output_media.take_in("video", mp4(), {})


@pytest.mark.parametrize("make", [mp4, webm])
def test_a_film_keeps_its_pictures_and_its_length_and_no_name(make) -> None:
    given = make()
    clean, _, _, _ = clean_film(given)
    assert given.count(b"Model X") >= 4
    assert b"Model X" not in clean and b"picture" in clean and len(clean) == len(given)
    assert clean_film(clean)[0] == clean


@pytest.mark.parametrize("make", [mp4, webm])
def test_a_film_cut_anywhere_is_cleaned_or_refused(make) -> None:
    given = make()
    for n in range(0, len(given), 3):
        try:
            clean, _, _, _ = clean_film(given[:n])
        except InvalidInputError:
            continue
        assert len(clean) == n


def test_a_sound_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInputError, match="longer than 30 minutes"):
        clean_sound(wav_of_zeros(31 * 60))


def wav_of_zeros(seconds: int) -> bytes:
    n = 1000 * seconds
    head = struct.pack("<4sL4s4sLHHLLHH4sL", b"RIFF", 36 + n, b"WAVE", b"fmt ", 16, 1, 1, 1000, 1000, 1, 8, b"data", n)
    return head + bytes(n)


def test_the_folder_beside_a_file_is_not_left(tmp_path: Path) -> None:
    from app.services.attachments import Folder

    one = asked()
    (tmp_path / "secret.png").write_bytes(png())
    inner = tmp_path / "in"
    inner.mkdir()
    (inner / "a.png").write_bytes(png())
    rows = jsonl(output("A", "image", "a.png"))
    assert generations.import_generations(None, rows, prompt_set_id=one.id, beside=Folder(inner)).n_stored == 1
    with pytest.raises(BadFileError):
        rows = jsonl(output("B", "image", "../secret.png"))
        generations.import_generations(None, rows, prompt_set_id=one.id, beside=Folder(inner))
