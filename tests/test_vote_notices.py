"""What the vote page says where there is nothing to vote on."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app.domain import Role
from app.services import experiments, own_votes, sign_in
from tests.conftest import ROOT
from tests.studies import study
from tests.test_manage_pages import press, said

pytestmark = [pytest.mark.filterwarnings("default::DeprecationWarning"), pytest.mark.usefixtures("data_folder")]


@pytest.mark.parametrize("is_bound", [True, False])
def test_an_answer_that_comes_after_the_end_is_refused_in_words(is_bound: bool) -> None:
    """A47, also where the rater's link names no study, so that there is no page of one to say it on."""
    study_id = study()
    path = sign_in.create_invite(None, role=Role.RATER, experiment_id=study_id if is_bound else None)
    cookie = sign_in.hash_token(sign_in.open_link(path.partition("token=")[2]))
    at = AppTest.from_file(str(ROOT / "app" / "ui.py"), default_timeout=30)
    at.user = {"session": cookie}
    at.run()
    experiments.stop_experiment(None, study_id, reason="enough")
    press(at, "Left is better")
    assert not at.exception
    assert "This study has ended; it takes no votes any more." in said(at)
    rater = sign_in.identify(cookie)
    assert rater is not None and own_votes.count_own_votes(rater) == 0
