"""Pages in Streamlit's own tester, as somebody of a role sees them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

from streamlit.testing.v1 import AppTest

from app.domain import Role
from app.services import sign_in
from tests.conftest import ROOT


def sign_in_as(role: Role) -> str:
    """What the database and Streamlit know of the cookie of a new person of this role."""
    link = sign_in.create_invite(None, role=role)
    return sign_in.hash_token(sign_in.open_link(link.split("token=")[1]))


def start_tester(file: str = "app/ui.py", /, *, role: Role = Role.RESEARCHER, **address: str) -> AppTest:
    """A script that ran once, with this address: the whole app, or a page of it alone."""
    return _run(file, role, address)


def open_tester(page: str, /, *, role: Role = Role.RESEARCHER, **address: str) -> AppTest:
    """A page of the app as a researcher (or another ``role``) sees it, without an error."""
    at = _run("app/ui.py", role, address)
    at.switch_page(str(ROOT / "pages" / page)).run()
    assert not at.exception
    return at


def _run(file: str, role: Role, address: Mapping[str, str]) -> AppTest:
    at = AppTest.from_file(str(ROOT / file), default_timeout=60)
    at.user = {"session": sign_in_as(role)}
    for name, value in address.items():
        at.query_params[name] = value
    return at.run()


def html_of(at: AppTest) -> str:
    """The HTML of ours that stands on the page."""
    return "\n".join(str(element.proto.body) for element in at.get("html"))


def text_of(at: AppTest) -> str:
    """All that the page says, in HTML or in Streamlit's own elements."""
    own = [element.value for kind in (at.title, at.markdown, at.caption, at.subheader) for element in kind]
    return unescape(re.sub(r"<[^>]+>", " ", html_of(at))) + "\n".join(own)
