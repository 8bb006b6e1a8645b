"""Images of prompts: taken in once, bare, from safe places; and archives that mean harm."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from streamlit.testing.v1 import AppTest

from app.domain import BlindBattle, Message
from app.errors import BadFileError
from app.formats import _archive
from app.services import experiments, generations, media, prompt_sets, serving
from app.services.attachments import Folder
from tests.stored import fresh_database, n_rows
from tests.studies import data_url as url
from tests.studies import jsonl, person, png


@pytest.fixture(autouse=True)
def _stored(database_url, monkeypatch, tmp_path):
    monkeypatch.setenv("BAKEOFF_DATA", str(tmp_path / "data"))
    with fresh_database(monkeypatch, database_url):
        yield


def zipped(files: dict[str, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    stream.seek(0)
    return stream


def stored(*rows: dict[str, object], name: str = "Set") -> prompt_sets.PromptSetSummary:
    return prompt_sets.import_prompts(None, jsonl(*rows), name=name)


def refused(stream: io.BytesIO, **options: object) -> list[tuple[int, str]]:
    before, files = n_rows(), sorted(media.folder().glob("*"))
    with pytest.raises(BadFileError) as caught:
        prompt_sets.import_prompts(None, stream, name="Set", **options)  # type: ignore[arg-type]
    assert n_rows() == before
    assert sorted(media.folder().glob("*")) == files
    return [(problem.line, problem.reason) for problem in caught.value.problems]


def test_an_image_is_stored_once_without_its_metadata_under_a_random_name() -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x0131] = "made by Model X", "Model X"
    marked = png(format="JPEG", exif=exif, comment=b"Model X")
    assert b"Model X" in marked
    rows = jsonl(*({"id": str(n), "prompt": "What?", "attachments": ["model-x.jpg"]} for n in range(2))).getvalue()
    one = prompt_sets.import_prompts(None, zipped({"a/q.jsonl": rows, "a/model-x.jpg": marked}), name="Set")
    (path,) = media.folder().iterdir()
    kept = path.read_bytes()
    assert b"Model X" not in kept and "model" not in path.name
    with Image.open(path) as image:
        assert (image.format, image.size, dict(image.getexif())) == ("JPEG", (8, 6), {})
    assert {row.attachments for row in prompt_sets.list_prompts(None, one.id)} == {(f"/m/{path.name}",)}
    again = prompt_sets.import_prompts(None, zipped({"a/q.jsonl": rows, "a/model-x.jpg": marked}), name="Set")
    assert (again.is_new, len(list(media.folder().iterdir())), n_rows()["media"]) == (False, 1, 1)


def test_images_lie_beside_a_file_on_this_machine_and_nothing_outside_is_read(tmp_path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.png").write_bytes(png())
    (tmp_path / "secret.png").write_bytes(png())
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    rows = [{"id": name, "prompt": "What?", "attachments": [name]} for name in ("a.png", "link.png", "../secret.png")]
    problems = refused(jsonl(*rows), beside=Folder(folder))
    assert [line for line, _ in problems] == [2, 3]
    prompt_sets.import_prompts(None, jsonl(rows[0]), name="Set", beside=Folder(folder))
    assert len(list(media.folder().iterdir())) == 1


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
_noise = io.BytesIO()
Image.effect_noise((64, 64), 90).save(_noise, "PNG")
NOISE = _noise.getvalue()
MOVING = io.BytesIO()
Image.new("RGB", (9, 9), "red").save(MOVING, "GIF", save_all=True, append_images=[Image.new("RGB", (9, 9), "blue")])


@pytest.mark.parametrize(
    ("attachments", "words"),
    [
        (["https://example.org/cat.png"], "is at another place"),
        (["//example.org/cat.png"], "is at another place"),
        (["cat.png"], "drop a .zip"),
        (["/etc/passwd"], "beside this one"),
        (["data:image/png;base64,@@"], "not valid base64"),
        (["data:image/png,abc"], "no data: URL with base64"),
        ([url(SVG)], "not a PNG, JPEG, WebP or GIF image"),
        ([url(b"")], "is empty"),
        ([url(MOVING.getvalue())], "moves"),
        ([url(NOISE[: len(NOISE) // 2])], "damaged"),
        ([url(png())] * 11, "10 are the most"),
    ],
)
def test_an_attachment_that_is_no_image_is_named_by_line_and_nothing_is_kept(attachments, words) -> None:
    good = {"id": "good", "prompt": "Fine?", "attachments": [url(png("blue"))]}
    [(line, reason)] = refused(jsonl(good, {"id": "bad", "prompt": "What?", "attachments": attachments}))
    assert line == 2 and words in reason


def test_an_image_of_too_many_pixels_is_refused_before_it_is_unpacked(monkeypatch) -> None:
    monkeypatch.setattr(media, "MAX_PIXELS", 40)
    [(_, reason)] = refused(jsonl({"prompt": "What?", "attachments": [url(png())]}))
    assert "pixels" in reason


TABLE = b'{"prompt": "What?", "attachments": ["a.png"]}'


def link() -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("q.jsonl", TABLE)
        info = zipfile.ZipInfo("a.png")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    stream.seek(0)
    return stream


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (zipped({"q.jsonl": TABLE, "../a.png": png()}), "leads out of it"),
        (zipped({"q.jsonl": TABLE, "/a.png": png()}), "leads out of it"),
        (zipped({"q.jsonl": TABLE, "b\\a.png": png()}), "leads out of it"),
        (link(), "is a link"),
        (zipped({"q.jsonl": TABLE, "a.zip": b"PK"}), "itself an archive"),
        (zipped({"q.jsonl": TABLE, "bomb.png": b"\0" * 20_000_000}), "unpacks to more than 200 times"),
        (zipped({"a.png": png()}), "must have one table"),
        (zipped({"a.jsonl": TABLE, "b.csv": b"prompt\na\n"}), "must have one table"),
        (zipped({"q.jsonl": TABLE}), "is not there"),
        (io.BytesIO(b"PK\x03\x04" + b"x" * 100), "cannot be read"),
    ],
)
def test_a_hostile_zip_is_refused(stream, words) -> None:
    stream.seek(0)
    assert words in refused(stream)[0][1]


def test_a_zip_of_too_many_or_too_large_files_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(_archive, "MAX_ENTRIES", 2)
    assert "more than 2 files" in refused(zipped({"q.jsonl": TABLE, "a.png": b"1", "b.png": b"2"}))[0][1]
    monkeypatch.setattr(_archive, "MAX_UNPACKED", 10)
    assert "unpacks to more than" in refused(zipped({"q.jsonl": TABLE}))[0][1]


def test_a_damaged_table_in_a_zip_is_refused() -> None:
    data = bytearray(zipped({"q.jsonl": b'{"prompt": "%s"}' % (b"abc" * 500)}).getvalue())
    data[60] ^= 0xFF
    assert "damaged" in refused(io.BytesIO(bytes(data)))[0][1]


def test_a_rater_sees_the_images_of_a_prompt_and_nothing_else_of_them() -> None:
    one = stored({"id": "p", "prompt": "What?", "attachments": [url(png())]})
    rows = jsonl(*({"prompt_id": "p", "model": name, "output": "x"} for name in "AB"))
    generations.import_generations(None, rows, prompt_set_id=one.id)
    models = [row.id for row in generations.list_models(None)]
    experiment = experiments.create_experiment(None, title="See", prompt_set_id=one.id, model_ids=models)
    experiments.start_experiment(None, experiment)
    rater = person(experiment_id=experiment)
    for _ in range(2):
        ballot = serving.next_battle(rater)
        assert ballot is not None and ballot.battle is not None
        (path,) = media.folder().iterdir()
        assert ballot.battle.attachments == (f"/m/{path.name}",)


def test_a_zip_whose_directory_is_too_much_is_refused_before_it_is_read(monkeypatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("the directory was read")

    many = zipped({str(n): b"" for n in range(_archive.MAX_ENTRIES + 1)})
    wide = zipped({f"{n:0>60000}": b"" for n in range(70)})
    large = bytearray(many.getvalue())
    at = large.rindex(b"PK\x05\x06")  # the same with its count in the record for large archives alone
    size, start = struct.unpack("<LL", large[at + 12 : at + 20])
    record = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 20_001, 20_001, size, start)
    large[at:] = record + struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    large += struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 3) + b"end"
    assert len(zipfile.ZipFile(io.BytesIO(bytes(large))).infolist()) == 20_001
    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", read)
    for stream, words in (
        (many, "more than 20,000 files"),
        (io.BytesIO(bytes(large)), "more than 20,000 files"),
        (wide, "larger than 4 MB"),
    ):
        assert words in refused(stream)[0][1]


@pytest.mark.parametrize("prompt", ["Fix this:\n```python\nprint(1)", "<!-- to do", "~~~\nx"])
@pytest.mark.parametrize("before", [(), (Message("assistant", "Hello."),)])
def test_no_text_of_a_prompt_hides_its_image(prompt: str, before: tuple[Message, ...]) -> None:
    def page(battle: object) -> None:
        from app.components import content

        content.show_battle(battle)  # type: ignore[arg-type]

    battle = BlindBattle(uuid4(), (*before, Message("user", prompt)), "left", "right", ("/m/x.png",))
    shown = AppTest.from_function(page, args=(battle,)).run()
    assert not shown.exception
    bodies = [element.value for element in shown.markdown]
    assert "![Image 1 of the prompt](/m/x.png)" in bodies
    assert sum("/m/x.png" in body for body in bodies) == 1


_TAKE_IN = """
import io, re, sys
from pathlib import Path
from app.services import media
media.clean_image(Path(sys.argv[1]).read_bytes())
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says what a process took at most")
@pytest.mark.parametrize(
    ("mode", "kind", "side"),
    [("P", "PNG", 4000), ("RGBA", "PNG", 4000), ("RGB", "JPEG", 4000), ("RGBA", "WEBP", 3162)],
)
def test_the_largest_image_takes_little_memory(mode: str, kind: str, side: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    Image.new(mode, (side, side)).save(tmp_path / "image", kind, exif=exif)
    command = [sys.executable, "-c", _TAKE_IN, str(tmp_path / "image")]
    took = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout
    assert int(took) < 250 * 1024
    assert side**2 > 0.999 * (media.MAX_PIXELS_WEBP if kind == "WEBP" else media.MAX_PIXELS)


def test_a_palette_stays_and_what_is_clear_stays_clear() -> None:
    image = Image.new("P", (8, 6))
    image.putpalette([255, 0, 0, 0, 0, 255] + [0] * 762)
    image.putpixel((1, 1), 1)
    told = PngInfo()
    told.add_text("Software", "Model X")
    stream = io.BytesIO()
    image.save(stream, "PNG", transparency=1, pnginfo=told, icc_profile=b"Model X", dpi=(72, 72))
    clean, media_type, ending = media.clean_image(stream.getvalue())
    assert (media_type, ending, b"Model X" in clean) == ("image/png", ".png", False)
    with Image.open(io.BytesIO(clean)) as found:
        assert (found.mode, set(found.info)) == ("P", {"transparency"})
        pixels = found.convert("RGBA")
    assert (pixels.getpixel((0, 0)), pixels.getpixel((1, 1))) == ((255, 0, 0, 255), (0, 0, 255, 0))
