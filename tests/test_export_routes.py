"""The votes of a study over HTTP: who gets them, and that file, manifest and digest tell the same."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from app.api import votes
from app.api.cookies import SessionHeader, cookie_name
from app.domain import Answer, Role
from app.services import experiments, sign_in
from tests.stored import fresh_database
from tests.studies import person, study
from tests.test_exports import cast


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("BAKEOFF_DATA", str(tmp_path))
    with fresh_database(monkeypatch, f"sqlite:///{tmp_path / 'bakeoff.db'}"):
        id_ = study(n_prompts=8)
        cast(id_, person(experiment_id=id_), [Answer.LEFT] * 3)
        yield f"/api/v1/experiments/{experiments.list_experiments(None)[0].key}/votes"


def client(role: Role | None) -> TestClient:
    found = TestClient(Starlette(routes=votes.routes, middleware=[Middleware(SessionHeader)]), follow_redirects=False)
    if role is not None:
        token = sign_in.open_link(sign_in.create_invite(None, role=role).partition("token=")[2])
        sign_in.identify(sign_in.hash_token(token))
        found.cookies.set(cookie_name(), token)
    return found


@pytest.mark.parametrize("below", ["", "/manifest", "/bundle"])
def test_votes_are_for_researchers_and_admins(path, below) -> None:
    assert [client(role).get(path + below).status_code for role in (None, Role.RATER)] == [403, 403]
    for role in (Role.RESEARCHER, Role.ADMIN):
        found = client(role).get(path + below)
        assert (found.status_code, found.headers["cache-control"]) == (200, "no-store")


def test_file_digest_manifest_and_bundle_are_of_the_same_bytes(path) -> None:
    who = client(Role.RESEARCHER)
    file, manifest, bundle = (who.get(f"{path}{below}?format=csv") for below in ("", "/manifest", "/bundle"))
    digest = hashlib.sha256(file.content)
    assert file.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="test-study-csv.csv"' in file.headers["content-disposition"]
    assert len(file.content.splitlines()) == 4
    [said] = manifest.json()["files"]
    assert (said["sha256"], said["n_bytes"], said["name"]) == (
        digest.hexdigest(),
        len(file.content),
        "test-study-csv.csv",
    )
    with zipfile.ZipFile(io.BytesIO(bundle.content)) as packed:
        assert packed.read("test-study-csv.csv") == file.content
        assert json.loads(packed.read("test-study-csv.csv.manifest.json"))["files"] == [said]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("format=xlsx", 422, "not as 'xlsx'"),
        ("staff=perhaps", 422, "staff is true or false"),
        ("limit=3", 422, "Nothing is known as 'limit'"),
        ("criterion=wit", 422, "no criterion 'wit'"),
        ("format=alpacaeval", 422, "needs a reference model"),
    ],
)
def test_what_cannot_be_had_is_said_in_words(path, query, status, words) -> None:
    found = client(Role.RESEARCHER).get(f"{path}?{query}")
    assert found.status_code == status and words in found.json()["error"]


def test_a_study_that_is_not_there_is_404(path) -> None:
    for key in ("nothing", "..%2f..%2fbakeoff.db", "%00", "x" * 300):
        assert client(Role.ADMIN).get(f"/api/v1/experiments/{key}/votes").status_code == 404
