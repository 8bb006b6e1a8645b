"""Links, browsers that are signed in, and who stands behind a cookie, on both databases."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.domain import Identity, Role, utc_now
from app.errors import InvalidInputError, NotAllowedError, NotFoundError, SignInError
from app.services import sign_in
from db import audit
from db.engine import Database
from db.tables import SQLModel
from tests.studies import person, study

REFUSED = "unknown, used up or expired"


def token_of(path: str) -> str:
    return path.removeprefix("/auth/join?token=")


def follow(path: str) -> str:
    """Open a link in a new browser; the hash of the browser's cookie."""
    return sign_in.hash_token(sign_in.open_link(token_of(path)))


def all_text(store: Database) -> str:
    """Everything that the database holds, as text; of SQLite the very bytes of its files."""
    with store.read() as session:
        rows = [
            str(session.connection().execute(text(f"SELECT * FROM {table.name}")).all())
            for table in SQLModel.metadata.sorted_tables
        ]
    if store.path is not None:
        rows += [path.read_bytes().decode("latin-1") for path in store.path.parent.glob("bakeoff.db*")]
    return "\n".join(rows)


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(sign_in, "utc_now", lambda: moment)


# ---------------------------------------------------------------------------------------------- the first admin


def test_there_is_a_first_admin_link_only_while_there_is_no_admin(store: Database) -> None:
    """A10: the first admin comes from the console and from nowhere else."""
    path = sign_in.create_first_admin_link()
    assert path is not None
    who = sign_in.identify(follow(path))
    assert who is not None
    assert who.role == Role.ADMIN
    assert sign_in.create_first_admin_link() is None


def test_raters_and_researchers_do_not_count_as_admins(store: Database) -> None:
    person(Role.RESEARCHER)
    person()
    assert sign_in.create_first_admin_link() is not None


def test_a_new_first_admin_link_ends_the_ones_before_it(store: Database) -> None:
    old, new = sign_in.create_first_admin_link(), sign_in.create_first_admin_link()
    assert old is not None
    assert new is not None
    with pytest.raises(SignInError, match=REFUSED):
        follow(old)
    assert sign_in.identify(follow(new)) is not None


def test_a_first_admin_link_makes_one_admin_and_lives_a_day(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sign_in.create_first_admin_link()
    assert path is not None
    browsers = [follow(path) for _ in range(3)]
    found = [sign_in.identify(browser) for browser in browsers]
    assert [who is not None for who in found] == [True, False, False]
    other = sign_in.create_invite(None, role=Role.ADMIN, days=1)
    at(monkeypatch, utc_now() + timedelta(days=1, minutes=1))
    with pytest.raises(SignInError, match=REFUSED):
        follow(other)


def test_a_blocked_admin_does_not_lock_everybody_out(store: Database) -> None:
    path = sign_in.create_first_admin_link()
    assert path is not None
    who = sign_in.identify(follow(path))
    assert who is not None
    sign_in.block_person(None, account_id=who.account_id, is_blocked=True)
    assert sign_in.create_first_admin_link() is not None


# ---------------------------------------------------------------------------------------------- links


def test_following_a_link_does_not_use_it_up_but_opening_the_app_does(store: Database) -> None:
    """A program that previews links in a chat gets them; the person must still come in."""
    path = sign_in.create_invite(None, role=Role.RATER)
    for _ in range(5):
        follow(path)
    browser = follow(path)
    who = sign_in.identify(browser)
    assert who is not None
    assert sign_in.identify(browser) == who
    with pytest.raises(SignInError, match=REFUSED):
        follow(path)


def test_uses_are_counted_exactly_when_many_come_at_once(store: Database) -> None:
    """Twelve browsers followed a link for five; five people come in, each with an account of their own."""
    path = sign_in.create_invite(None, role=Role.RATER, max_uses=5)
    browsers = [follow(path) for _ in range(12)]
    with ThreadPoolExecutor(8) as pool:
        found = [who for who in pool.map(sign_in.identify, browsers) if who is not None]
    assert len(found) == len({who.account_id for who in found}) == len({who.name for who in found}) == 5
    assert len(sign_in.list_people(None)) == 5
    assert sign_in.list_invites(None) == []


def test_two_tabs_of_one_browser_are_one_person(store: Database) -> None:
    """F15: the tabs accept the invite at the same moment; it is used once."""
    path = sign_in.create_invite(None, role=Role.RATER, max_uses=10)
    browser = follow(path)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(sign_in.identify, [browser] * 8))
    assert len(found) == 1
    assert found.pop() is not None
    (invite,) = sign_in.list_invites(None)
    assert invite.n_uses == 1


def test_links_that_are_expired_revoked_or_made_up_are_refused_in_the_same_words(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A9: why a link is refused is not told apart."""
    said = set()
    revoked, expired = (sign_in.create_invite(None, role=Role.RATER, days=days) for days in (10, 1))
    (newest, oldest) = sign_in.list_invites(None)
    assert newest.expires_at < oldest.expires_at
    sign_in.revoke_invite(None, invite_id=oldest.id)
    used = sign_in.create_invite(None, role=Role.RATER)
    assert sign_in.identify(follow(used)) is not None
    at(monkeypatch, utc_now() + timedelta(days=2))
    for path in (revoked, expired, used, "/auth/join?token=" + secrets.token_urlsafe(32), "", "x" * 100_000, "\0"):
        with pytest.raises(SignInError, match=REFUSED) as caught:
            follow(path)
        said.add(str(caught.value))
    assert len(said) == 1


def test_a_link_that_ends_between_its_first_get_and_the_app_lets_nobody_in(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sign_in.create_invite(None, role=Role.RATER, days=10)
    browser, late = follow(path), follow(path)
    (invite,) = sign_in.list_invites(None)
    with monkeypatch.context() as patch:
        at(patch, utc_now() + sign_in.PENDING_LIFE + timedelta(seconds=1))
        assert sign_in.identify(late) is None
    sign_in.revoke_invite(None, invite_id=invite.id)
    assert sign_in.identify(browser) is None
    assert sign_in.list_people(None) == []
    with pytest.raises(NotFoundError):
        sign_in.revoke_invite(None, invite_id=invite.id)


@pytest.mark.parametrize(
    ("role", "max_uses", "days"),
    [(Role.RATER, 0, 1), (Role.RATER, 100_001, 1), (Role.RATER, 1, 0), (Role.RATER, 1, 366), (Role.ADMIN, 2, 1)],
)
def test_links_for_too_many_or_for_too_long_are_not_made(
    store: Database, role: Role, max_uses: int, days: float
) -> None:
    with pytest.raises(InvalidInputError):
        sign_in.create_invite(None, role=role, max_uses=max_uses, days=days)
    assert sign_in.list_invites(None) == []


def test_a_link_for_a_study_that_is_not_there_is_not_made(store: Database) -> None:
    with pytest.raises(NotFoundError):
        sign_in.create_invite(None, role=Role.RATER, experiment_id=uuid4())


def test_a_person_gets_the_role_and_the_study_of_their_link(store: Database) -> None:
    experiment_id = study()
    for role in Role:
        path = sign_in.create_invite(None, role=role, experiment_id=experiment_id)
        who = sign_in.identify(follow(path))
        assert who is not None
        assert (who.role, who.experiment_id) == (role, experiment_id)
        assert who.name.startswith(f"{role.value}-")


# ---------------------------------------------------------------------------------------------- tokens


def test_the_database_knows_no_token(store: Database) -> None:
    """A9, A57: neither links nor cookies stand anywhere in it; who steals a copy can't sign in with it."""
    path = sign_in.create_invite(None, role=Role.RATER, max_uses=2, label="label to be found")
    cookie = sign_in.open_link(token_of(path))
    assert sign_in.identify(sign_in.hash_token(cookie)) is not None
    held = all_text(store)
    assert "label to be found" in held
    assert sign_in.hash_token(cookie) in held
    assert token_of(path) not in held
    assert cookie not in held


def test_tokens_are_long_and_never_the_same(store: Database) -> None:
    """A9, A11: 256 random bits each."""
    paths = [sign_in.create_invite(None, role=Role.RATER) for _ in range(10)]
    tokens = {token_of(path) for path in paths} | {sign_in.open_link(token_of(path)) for path in paths}
    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 43


def test_every_sign_in_gets_a_new_cookie(store: Database) -> None:
    """A5: a cookie that somebody planted before is not the one that gets signed in."""
    planted = secrets.token_urlsafe(32)
    path = sign_in.create_invite(None, role=Role.RATER, max_uses=3)
    cookies = {sign_in.open_link(token_of(path)) for _ in range(3)}
    assert len(cookies) == 3
    assert planted not in cookies
    assert sign_in.identify(sign_in.hash_token(planted)) is None


@pytest.mark.parametrize("token_hash", [None, "", "x", "0" * 64, "' OR 1=1 --"])
def test_nobody_stands_behind_a_cookie_that_we_did_not_give(store: Database, token_hash: str | None) -> None:
    person()
    assert sign_in.identify(token_hash) is None


# ---------------------------------------------------------------------------------------------- the end of it


def signed_in(role: Role = Role.RATER) -> tuple[str, Identity]:
    browser = follow(sign_in.create_invite(None, role=role))
    who = sign_in.identify(browser)
    assert who is not None
    return browser, who


def test_signing_out_ends_this_browser_and_no_other(store: Database) -> None:
    """A6."""
    (browser, _), (other, _) = signed_in(), signed_in()
    sign_in.sign_out(browser)
    assert sign_in.identify(browser) is None
    assert sign_in.identify(other) is not None
    sign_in.sign_out(browser)
    sign_in.sign_out("nobody's")


def test_blocking_denies_at_once_and_unblocking_does_not_revive_old_browsers(store: Database) -> None:
    """A6: the next rerun with the old cookie finds nobody."""
    browser, who = signed_in()
    sign_in.block_person(None, account_id=who.account_id, is_blocked=True)
    assert sign_in.identify(browser) is None
    assert [row.is_blocked for row in sign_in.list_people(None)] == [True]
    sign_in.block_person(None, account_id=who.account_id, is_blocked=False)
    assert sign_in.identify(browser) is None


def test_a_blocked_flag_alone_denies(store: Database) -> None:
    """Even where the browsers were not ended with it, by a restored backup say."""
    browser, _ = signed_in()
    with store.write() as session:
        session.connection().execute(text("UPDATE account SET is_blocked = true"))
    assert sign_in.identify(browser) is None


def test_a_change_of_role_holds_at_the_next_look(store: Database) -> None:
    """A6."""
    browser, _ = signed_in(Role.ADMIN)
    with store.write() as session:
        session.connection().execute(text("UPDATE account SET role = 'rater'"))
    who = sign_in.identify(browser)
    assert who is not None
    assert who.role == Role.RATER


def test_a_sign_in_ends_after_its_time(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, _ = signed_in()
    now = utc_now()
    at(monkeypatch, now + sign_in.COOKIE_LIFE - timedelta(minutes=1))
    assert sign_in.identify(browser) is not None
    at(monkeypatch, now + sign_in.COOKIE_LIFE + timedelta(minutes=1))
    assert sign_in.identify(browser) is None


# ---------------------------------------------------------------------------------------------- roles


@pytest.mark.parametrize("role", [Role.RATER, Role.RESEARCHER])
def test_only_admins_hand_out_and_take_back(store: Database, role: Role) -> None:
    """A2."""
    who = person(role)
    for attempt in (
        lambda: sign_in.create_invite(who, role=Role.RATER),
        lambda: sign_in.list_invites(who),
        lambda: sign_in.revoke_invite(who, invite_id=uuid4()),
        lambda: sign_in.list_people(who),
        lambda: sign_in.block_person(who, account_id=uuid4(), is_blocked=True),
    ):
        with pytest.raises(NotAllowedError):
            attempt()


def test_an_admin_does_all_of_it_and_it_is_written_down(store: Database) -> None:
    admin, rater = person(Role.ADMIN), person()
    sign_in.create_invite(admin, role=Role.RESEARCHER, label="  for the lab  ")
    (invite,) = sign_in.list_invites(admin)
    assert (invite.role, invite.label, invite.n_uses, invite.max_uses) == (Role.RESEARCHER, "for the lab", 0, 1)
    sign_in.revoke_invite(admin, invite_id=invite.id)
    sign_in.block_person(admin, account_id=rater.account_id, is_blocked=True)
    with pytest.raises(InvalidInputError, match="can't block yourself"):
        sign_in.block_person(admin, account_id=admin.account_id, is_blocked=True)
    with pytest.raises(NotFoundError):
        sign_in.block_person(admin, account_id=uuid4(), is_blocked=True)
    with store.read() as session:
        said = session.connection().execute(text("SELECT action FROM audit_event ORDER BY sequence")).scalars().all()
        assert audit.find_broken_link(session) is None
    assert said[-3:] == ["invite.create", "invite.revoke", "account.block"]


def test_each_role_reaches_what_the_ones_before_it_reach() -> None:
    reached = [[role.reaches(other) for other in Role] for role in Role]
    assert reached == [[True, False, False], [True, True, False], [True, True, True]]
