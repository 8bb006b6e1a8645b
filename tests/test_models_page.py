"""The tab of models on the page Models: by Streamlit's own tester, and in a real browser with a real endpoint."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from streamlit.testing.v1 import AppTest

from app.services import generations, models
from app.services.model_drafts import ModelDraft
from tests.drawn import settle
from tests.loopback import endpoint
from tests.server import Server
from tests.stored import fresh_database
from tests.studies import jsonl
from tests.test_manage_pages import NASTY, labels, open_page, press, said
from tests.test_models_service import CANARY, give_outputs

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BAKEOFF_SECRET_LAB", CANARY)
    with fresh_database(monkeypatch, f"sqlite:///{tmp_path / 'bakeoff.db'}"):
        yield


def field(at: AppTest, label: str, kind: str = "text_input"):
    return next(one for one in at.get(kind) if one.label == label)


def fill(at: AppTest, **values: str) -> AppTest:
    for label, value in values.items():
        field(at, label.replace("_", " ")).set_value(value).run()
    return at


def choose(at: AppTest, connector: str) -> AppTest:
    at.get("button_group")[0].set_value(connector).run()
    assert not at.exception
    return at


@pytest.mark.usefixtures("stored")
class TestForm:
    def test_mistakes_stand_by_their_fields_and_nothing_typed_is_lost(self) -> None:
        at = press(open_page("models"), "Add a model")
        fill(at, Version="v1", Model_id="o/m", Address="ftp://a.example")
        press(at, "Save")
        assert said(at).count("The name needs 1 to 200 characters.") == 2
        assert said(at).count("Address: an address begins with https:// or http://.") == 2
        kept = {one.label: one.value for one in at.text_input}
        assert (kept["Version"], kept["Model id"], kept["Address"]) == ("v1", "o/m", "ftp://a.example")
        assert generations.list_models(None) == []

    def test_a_private_address_is_allowed_on_the_way_to_saving(self) -> None:
        at = press(open_page("models"), "Add a model")
        fill(at, Name=NASTY, Address="http://127.0.0.1:9/v1")
        press(at, "Save")
        assert "This address may not be asked." in said(at)
        assert generations.list_models(None) == []
        press(at, "Allow 127.0.0.1:9")
        assert [row.name for row in generations.list_models(None)] == [NASTY]
        assert models.list_allowed_addresses(None) == ["127.0.0.1:9"]
        assert NASTY in said(at)
        press(at, "Remove")
        assert models.list_allowed_addresses(None) == []

    def test_every_connector_has_its_fields_and_the_answer_its_numbers(self) -> None:
        at = press(open_page("models"), "Add a model")
        for form in models.list_connectors():
            choose(at, form.name)
            shown = {
                one.label
                for kind in ("text_input", "text_area", "number_input", "toggle", "selectbox")
                for one in at.get(kind)
            }
            assert {one.label for one in form.fields} <= shown
            assert ("Secret" in shown) == form.takes_secret
            assert ("Try it" in labels(at)) == (form.name != "file")
        choose(at, "echo")
        field(at, "$ per million tokens in", "number_input").set_value(1_000.0).run()
        field(at, "$ per million tokens out", "number_input").set_value(0.0).run()
        field(at, "Words of an answer", "number_input").set_value(5.0).run()
        field(at, "Prompt to try it with", "text_area").set_value(NASTY).run()
        press(at, "Try it")
        assert any(value.startswith("You said: <img src=x") for value in (one.value for one in at.markdown))
        assert re.search(r"Cost\s+\$0\.006\s+Ended\s+complete\s+Calls itself\s+echo", said(at))
        assert generations.list_models(None) == []
        fill(at, Name="Parrot")
        press(at, "Save")
        (row,) = generations.list_models(None)
        assert models.get_draft(None, row.id) == ModelDraft(
            "Parrot", connector="echo", settings={"length": 5.0}, input_price=1_000.0, output_price=0.0
        )

    def test_a_change_under_outputs_is_stored_as_the_next_version(self) -> None:
        models.create_model(None, ModelDraft("Tern", connector="echo"))
        give_outputs("Tern")
        at = press(open_page("models"), "Edit")
        field(at, "Words of an answer", "number_input").set_value(5.0).run()
        press(at, "Save")
        assert "This model has outputs already" in said(at)
        assert field(at, "Version").value == "2"
        press(at, "Save")
        assert "Saved as a version of its own; the old one stays." in said(at)
        assert {(row.version, row.n_generations) for row in generations.list_models(None)} == {("", 1), ("2", 0)}

    def test_a_secret_is_chosen_by_name_and_again_for_another_host(self) -> None:
        """A27, A58."""
        for host in ("127.0.0.1:9", "127.0.0.1:8"):
            models.allow_address(None, host)
        draft = ModelDraft("Tern", connector="ollama", settings={"base_url": "http://127.0.0.1:9"}, secret_name="LAB")
        model_id = models.create_model(None, draft)
        at = press(open_page("models"), "Edit")
        assert field(at, "Secret", "selectbox").value == "LAB"
        fill(at, Address="http://127.0.0.1:8")
        assert field(at, "Secret", "selectbox").value == ""
        assert "has to be chosen again" in said(at)
        field(at, "Secret", "selectbox").set_value("LAB").run()
        press(at, "Save")
        assert models.get_draft(None, model_id).settings == {"base_url": "http://127.0.0.1:8"}
        assert models.get_draft(None, model_id).secret_name == "LAB"
        assert CANARY not in str(at)

    def test_a_model_is_archived_hidden_and_restored(self) -> None:
        models.create_model(None, ModelDraft("Tern", connector="echo", card={"notes": NASTY}))
        at = press(open_page("models"), "Archive")
        assert "Echo · 0 outputs" not in said(at)
        next(one for one in at.toggle if one.label == "Show 1 archived").set_value(True).run()
        assert "Echo · 0 outputs" in said(at)
        assert NASTY in said(at)
        press(at, "Restore")
        assert "Archive" in labels(at)

    def test_sixty_models_are_searched_and_a_few_stand_there(self) -> None:
        generations.import_models(None, jsonl(*({"name": f"Model {i:02}", "connector": "echo"} for i in range(60))))
        at = open_page("models")
        assert labels(at).count("Edit") == 25
        field(at, "Search").set_value("model 42").run()
        assert labels(at).count("Edit") == 1
        field(at, "Search").set_value("").run()
        next(one for one in at.toggle if one.label == "Show all 60").set_value(True).run()
        assert labels(at).count("Edit") == 60


XSS = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
ANSWER = f"**Rain** writes {XSS} [on](javascript:document.title=3) the roof."


FIRST_WORDS = """() => {
  const text = document.querySelector('[class*="st-key-answer-"]')?.innerText;
  return text?.includes("Rain writes") && text;
}"""


def enter(page: Page, label: str, value: str) -> None:
    box = page.get_by_role("textbox", name=label, exact=True)
    box.wait_for()
    settle(page)  # a field forgets what was typed before it was quite there
    box.fill(value)
    box.press("Tab")
    settle(page)
    expect(box).to_have_value(value)


def test_an_admin_registers_an_endpoint_tries_it_and_sees_the_answer_come(
    new_server: Callable[..., Server], new_context: Callable[..., BrowserContext]
) -> None:
    """A29, A58: nothing of the model's own text runs, and the key never reaches the page or the log."""
    server = new_server(environment={"BAKEOFF_SECRET_LAB": CANARY})
    server.start()
    link = re.search(r"/auth/join\?token=\S+", server.log.read_text())
    assert link is not None
    page = new_context(viewport={"width": 1280, "height": 900}).new_page()
    frames: list[str | bytes] = []

    def keep(frame: str | bytes) -> None:  # Playwright marks what it calls, and a built-in method can't be marked
        frames.append(frame)

    page.on("websocket", lambda socket: socket.on("framereceived", keep))
    with endpoint(answer=ANSWER, word_s=0.4) as good, endpoint(status=401) as refusing:
        page.goto(server.base_url + link.group())
        page.goto(f"{server.base_url}/models")
        page.get_by_role("tab", name="Models").click()
        page.get_by_role("button", name="Add a model").click()
        enter(page, "Name", XSS)
        enter(page, "Address", refusing.url)
        page.get_by_role("combobox", name="Secret").click()
        page.get_by_role("option", name="LAB").click()
        settle(page)
        page.get_by_role("button", name="Try it").click()
        page.get_by_role("button", name=f"Allow {refusing.host}").click()
        expect(page.get_by_text("The key was refused.")).to_be_visible()
        enter(page, "Address", good.url)
        page.get_by_role("button", name="Try it").click()
        page.get_by_role("button", name=f"Allow {good.host}").click()
        answer = page.locator('[class*="st-key-answer-"]')
        first = page.wait_for_function(FIRST_WORDS).json_value()
        assert "roof" not in first, "it stands there while the rest is still to come"
        expect(page.get_by_text("loopback-1")).to_be_visible()
        expect(answer).to_contain_text("the roof.")
        expect(answer.locator("strong")).to_have_text("Rain")
        settle(page)
        expect(answer.locator("img, script, a[href^=javascript]")).to_have_count(0)
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text(f"{XSS} is registered.")).to_be_visible()
        page.reload()
        page.get_by_role("tab", name="Models").click()
        expect(page.locator(".bo-row-title b").first).to_have_text(XSS)
        expect(page).to_have_title("Models · Bakeoff")
        assert refusing.keys == good.keys == [f"Bearer {CANARY}"]
    assert not [frame for frame in frames if CANARY in str(frame)]
    assert CANARY not in server.log.read_text()
    (row,) = server.rows("SELECT name, secret_name FROM model")
    assert (row.name, row.secret_name) == (XSS, "LAB")
    assert server.warnings() == []
