"""What can't be stored of how a study leads its raters, in words."""

from __future__ import annotations

import re

from app.errors import InvalidInputError
from app.services.leading import PROLIFIC
from app.services.typed_text import checked_text
from app.study import Flow

LONGEST_CONSENT = 20_000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CODES = {"code_done": "done", "code_screened_out": "screened out", "code_over_quota": "over quota"}


def find_flow_mistakes(flow: Flow) -> dict[str, str]:
    """What is wrong with a flow, by ``flow.`` and the field's name; empty when all is well."""
    mistakes = {}
    try:
        checked_text(flow.consent, what="the consent", longest=LONGEST_CONSENT)
    except InvalidInputError as error:
        mistakes["flow.consent"] = str(error)
    for name, what in (("gold_every", "An attention check"), ("repeat_every", "A repeat")):
        every = getattr(flow, name)
        if every is not None and not 2 <= every <= 1000:
            mistakes[f"flow.{name}"] = f"{what} can come once in 2 to 1,000 battles, or never."
    most = flow.most_failed_checks
    if most is not None and not 0 <= most <= 1000:
        mistakes["flow.most_failed_checks"] = "Between 0 and 1,000 failed checks can be allowed."
    elif most is not None and flow.gold_every is None:
        mistakes["flow.most_failed_checks"] = "Without attention checks nobody can fail one; say how often they come."
    if flow.panel and not _NAME.fullmatch(flow.panel):
        mistakes["flow.panel"] = (
            f"The panel's parameter is a name such as {PROLIFIC}: letters, digits, - and _, at most 32."
        )
    elif flow.panel == "token":
        mistakes["flow.panel"] = "The parameter can't be called token; invite links are."
    for name, what in _CODES.items():
        if (code := getattr(flow, name)) and not _CODE.fullmatch(code):
            mistakes[f"flow.{name}"] = f"The code for {what} may have letters, digits, - and _, at most 64."
    return mistakes | _repeated_codes(flow)


def _repeated_codes(flow: Flow) -> dict[str, str]:
    """A panel pays by the code, so two endings can't share one."""
    used: dict[str, str] = {}
    mistakes = {}
    for name, what in _CODES.items():
        code = getattr(flow, name)
        if code and code in used:
            mistakes[f"flow.{name}"] = f"The code for {what} is the same as the one for {used[code]}."
        used.setdefault(code, what)
    return mistakes
