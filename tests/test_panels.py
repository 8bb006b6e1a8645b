"""People from a panel: its link signs them in, one account for each id and study, and says in words when it can't."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx
import pytest
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.middleware import Middleware

from app.api import auth, panels
from app.api.cookies import SessionHeader
from app.api.guard import Guard
from app.domain import Identity, Role
from app.services import experiments, serving, sign_in
from app.services.leading import PROLIFIC
from app.services.panels import get_panel_link, join_study
from app.study import Flow
from db.engine import Database
from tests.studies import person, study

FLOW = Flow(panel=PROLIFIC, code_done="D1", code_screened_out="S1", code_over_quota="O1")


@pytest.fixture(autouse=True)
def _fresh_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "_limiter", MovingWindowRateLimiter(MemoryStorage()))


@pytest.fixture
def key(store: Database) -> Iterator[str]:
    id_ = study(flow=FLOW)
    yield next(row.key for row in experiments.list_experiments(None) if row.id == id_)


class Browser:
    """Keeps its cookies and doesn't follow redirects by itself."""

    def __init__(self) -> None:
        self.cookies = httpx.Cookies()
        self._app = Starlette(
            routes=[*panels.routes, *auth.routes], middleware=[Middleware(Guard), Middleware(SessionHeader)]
        )

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._get(path))

    async def _get(self, path: str) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", cookies=self.cookies) as client:
            response = await client.get(path)
            self.cookies = client.cookies
            return response

    def who(self) -> Identity:
        found = sign_in.identify(sign_in.hash_token(self.cookies["bakeoff_session"]))
        assert found is not None
        return found


def rows(store: Database, sql: str) -> list[tuple[object, ...]]:
    with store.read() as session:
        return [tuple(row) for row in session.connection().execute(text(sql))]


def test_the_link_signs_a_new_person_in_and_keeps_what_the_panel_says(store: Database, key: str) -> None:
    browser = Browser()
    response = browser.get(f"/join/{key}?PROLIFIC_PID=5f00aa&STUDY_ID=s1&SESSION_ID=x1&evil=1")
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert response.headers["referrer-policy"] == "no-referrer"
    who = browser.who()
    assert (who.role, who.experiment_id) == (Role.RATER, experiments.find_experiment(None, key))
    ((panel, external_id, values),) = rows(store, "SELECT panel, external_id, panel_values FROM participation")
    assert (panel, external_id) == (PROLIFIC, "5f00aa")
    assert "s1" in str(values) and "x1" in str(values) and "evil" not in str(values)
    assert "5f00aa" not in who.name


def test_the_same_id_on_another_device_is_the_same_person_with_the_same_battle(store: Database, key: str) -> None:
    laptop, phone = Browser(), Browser()
    for browser in (laptop, phone):
        browser.get(f"/join/{key}?PROLIFIC_PID=5f00aa")
    assert laptop.who() == phone.who()
    assert serving.next_battle(laptop.who()) == serving.next_battle(phone.who())
    before = laptop.cookies["bakeoff_session"]
    laptop.get(f"/join/{key}?PROLIFIC_PID=5f00aa")
    assert laptop.cookies["bakeoff_session"] == before, "whoever opens the link again keeps their sign-in"


def test_two_ids_are_two_people_also_in_one_browser_and_in_two_studies(store: Database, key: str) -> None:
    other = study(flow=FLOW)
    other_key = next(row.key for row in experiments.list_experiments(None) if row.id == other)
    browser = Browser()
    seen = set[UUID]()
    for path in (f"{key}?PROLIFIC_PID=a1", f"{key}?PROLIFIC_PID=b2", f"{other_key}?PROLIFIC_PID=a1"):
        browser.get(f"/join/{path}")
        seen.add(browser.who().account_id)
    assert len(seen) == 3


def test_two_tabs_that_open_the_link_at_once_make_one_person(store: Database, key: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: join_study(key, {PROLIFIC: "same"}, None)[0], range(8)))
    people = {sign_in.identify(sign_in.hash_token(token or "")) for token in tokens}
    assert len(people) == 1
    assert rows(store, "SELECT count(*) FROM participation") == [(1,)]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "PROLIFIC_PID=",
        "PROLIFIC_PID=%20%20",
        "PROLIFIC_PID={{%25PROLIFIC_PID%25}}",
        "PROLIFIC_PID=%7B%7B%25PROLIFIC_PID%25%7D%7D",
        "PROLIFIC_PID=" + "a" * 201,
        "PROLIFIC_PID=a%00b",
        "PROLIFIC_PID=<script>",
        "prolific_pid=5f00aa",
    ],
)
def test_a_link_without_an_id_is_refused_in_words_and_makes_nobody(store: Database, key: str, query: str) -> None:
    response = Browser().get(f"/join/{key}?{query}")
    assert response.status_code == 400
    assert "Open the study from the page of your panel" in response.text
    assert "<script>" not in response.text
    assert rows(store, "SELECT count(*) FROM account") == [(0,)]


def test_a_study_that_takes_nobody_from_a_panel_looks_like_one_that_is_not_there(store: Database) -> None:
    id_ = study()
    key = next(row.key for row in experiments.list_experiments(None) if row.id == id_)
    known, unknown = (Browser().get(f"/join/{name}?PROLIFIC_PID=a1") for name in (key, "no-such-study"))
    assert known.status_code == unknown.status_code == 404
    assert known.text == unknown.text


def test_a_draft_says_that_it_has_not_started(store: Database) -> None:
    id_ = study(flow=FLOW, is_started=False)
    key = next(row.key for row in experiments.list_experiments(None) if row.id == id_)
    response = Browser().get(f"/join/{key}?PROLIFIC_PID=a1")
    assert response.status_code == 409 and "not started yet" in response.text


def test_staff_who_are_signed_in_stay_who_they_are(store: Database, key: str) -> None:
    browser = Browser()
    link = sign_in.create_invite(None, role=Role.ADMIN)
    browser.get(link)
    admin = browser.who()
    response = browser.get(f"/join/{key}?PROLIFIC_PID=a1")
    assert response.status_code == 409 and "sign out first" in response.text
    assert browser.who() == admin


def test_a_blocked_person_is_not_let_in_again(store: Database, key: str) -> None:
    browser = Browser()
    browser.get(f"/join/{key}?PROLIFIC_PID=a1")
    sign_in.block_person(None, account_id=browser.who().account_id, is_blocked=True)
    assert Browser().get(f"/join/{key}?PROLIFIC_PID=a1").status_code == 403


def test_wrong_links_are_limited_like_those_of_invites(store: Database, key: str) -> None:
    browser = Browser()
    codes = [browser.get(f"/join/guess-{i}?PROLIFIC_PID=a1").status_code for i in range(25)]
    assert codes == [404] * 20 + [429] * 5


def test_a_paused_and_an_ended_study_let_people_in_to_be_told_so(store: Database, key: str) -> None:
    id_ = experiments.find_experiment(None, key)
    experiments.pause_experiment(None, id_)
    browser = Browser()
    assert browser.get(f"/join/{key}?PROLIFIC_PID=a1").status_code == 303
    ballot = serving.next_battle(browser.who())
    assert ballot is not None and (ballot.battle, ballot.study.status) == (None, "paused")
    experiments.stop_experiment(None, id_, reason="enough")
    late = Browser()
    late.get(f"/join/{key}?PROLIFIC_PID=b2")
    ballot = serving.next_battle(late.who())
    assert ballot is not None and ballot.step is not None and getattr(ballot.step, "code", "") == "O1"


def test_the_link_for_copying_names_what_the_panel_fills_in(store: Database, key: str) -> None:
    id_ = experiments.find_experiment(None, key)
    assert get_panel_link(None, id_) == (
        f"/join/{key}?PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}&STUDY_ID={{{{%STUDY_ID%}}}}&SESSION_ID={{{{%SESSION_ID%}}}}"
    )
    other = study(flow=Flow(panel="pid"))
    assert str(get_panel_link(None, other)).endswith("?pid=")
    assert get_panel_link(None, study()) is None


def test_another_panel_has_its_own_parameter(store: Database) -> None:
    id_ = study(flow=Flow(panel="respondent"))
    key = next(row.key for row in experiments.list_experiments(None) if row.id == id_)
    assert Browser().get(f"/join/{key}?PROLIFIC_PID=a1").status_code == 400
    assert Browser().get(f"/join/{key}?respondent=a1").status_code == 303


def test_people_of_a_panel_stand_in_the_list_of_accounts(store: Database, key: str) -> None:
    join_study(key, {PROLIFIC: "a1"}, None)
    assert [row.role for row in sign_in.list_people(person(Role.ADMIN))] == [Role.RATER, Role.ADMIN]
