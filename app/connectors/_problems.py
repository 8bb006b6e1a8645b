"""What an endpoint's refusal means: the kind of error by status and by body, and what it said, fit to be shown."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from app.connectors._redaction import CURRENT_SECRET, redact
from app.errors import ConnectorError, ConnectorProblem

MOST_SHOWN = 300
_LONGEST_WAIT = 86_400.0

# By the words that OpenAI, Anthropic and those who imitate them put into "type" or "code" of an error. They count where
# the status says nothing, as in a stream that had begun with 200.
_KINDS: dict[str, ConnectorProblem] = {
    "authentication_error": "key",
    "permission_error": "key",
    "billing_error": "key",
    "invalid_api_key": "key",
    "insufficient_quota": "key",
    "not_found_error": "not_found",
    "model_not_found": "not_found",
    "rate_limit_error": "rate",
    "rate_limit_exceeded": "rate",
    "overloaded_error": "server",
    "api_error": "server",
    "server_error": "server",
    "internal_server_error": "server",
    "timeout_error": "timeout",
}
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^<>]{0,500}>", re.DOTALL | re.IGNORECASE)
# Control characters, and those that change the direction of text or are invisible; what they hide would be read wrong.
_NOT_SHOWN = re.compile(r"[^\x20-\x7e\xa1-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\ud7ff\uf900-\ufffc]+")
_HINTS: dict[ConnectorProblem, str] = {
    "key": "The endpoint does not accept the key",
    "forbidden": "The endpoint does not allow this question",
    "not_found": "The endpoint knows no such model or path",
    "rate": "The endpoint asks for a pause",
    "server": "The endpoint is in trouble",
    "timeout": "The endpoint itself ran out of time",
    "too_large": "The endpoint finds the question too large",
    "bad_answer": "The endpoint refused the question",
    "address": "The endpoint points to another address, which is not followed",
}

# How what an endpoint said begins where the question may be why it gave no answer.
OF_QUESTION = tuple(_HINTS[kind] for kind in ("forbidden", "too_large", "bad_answer"))


def kind_of_status(status: int) -> ConnectorProblem:
    """The kind of error that an HTTP status means; 402 is a key that has nothing left to spend.

    403 may be said of the key, or of the one question, by providers that look through what they are asked.
    """
    if status in {401, 402}:
        return "key"
    if status == 403:
        return "forbidden"
    if status in {404, 410}:
        return "not_found"
    if status == 408:
        return "timeout"
    if status == 413:
        return "too_large"
    if status == 429:
        return "rate"
    if 300 <= status < 400:
        return "address"
    return "server" if status >= 500 else "bad_answer"


def refused(status: int, headers: Mapping[str, str], body: bytes) -> ConnectorError:
    """The error for a response whose status is no success."""
    said = body.decode("utf-8", "replace")
    kind = kind_of_status(status)
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        found = None
    if kind in {"rate", "forbidden"} and _kind_of_words(found) == "key":
        kind = "key"  # "insufficient_quota" comes as 429, but no pause will help
    title = f"{status} {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else str(status)
    detail = shown(_message(found) or said)
    wait = retry_after(headers.get("retry-after", "")) if kind in {"rate", "server", "timeout"} else None
    return ConnectorError(kind, f"{_HINTS[kind]} ({title}){': ' + detail if detail else '.'}", retry_after=wait)


def error_within(value: object) -> ConnectorError | None:
    """The error in a body or an event that came with status 200, if there is one."""
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    if not error and value.get("object") != "error" and value.get("type") != "error":
        return None
    kind = _kind_of_words(value) or "bad_answer"
    return ConnectorError(kind, f"The endpoint answered with an error: {shown(_message(value) or json.dumps(value))}")


def not_json(text: str) -> ConnectorError:
    """The error for a body that should have been JSON."""
    if not text.strip():
        return ConnectorError("bad_answer", "The endpoint's answer is empty.")
    if re.match(r"\s*<(!doctype|html|head|body|\?xml|h1)", text, re.IGNORECASE):
        what = "a web page. Is the address that of the API?"
        return ConnectorError("bad_answer", f"The endpoint answered with {what} It says: {shown(text)}")
    return ConnectorError("bad_answer", f"The endpoint's answer is not JSON, or only half of it: {shown(text)}")


def unexpected(where: str, value: object) -> ConnectorError:
    """The error for JSON in which something is not where it should be."""
    try:
        found = json.dumps(value)
    except (ValueError, RecursionError):
        found = "something nested too deeply"
    return ConnectorError("bad_answer", f"The endpoint's answer has no {where}: {shown(found)}")


def retry_after(header: str) -> float | None:
    """The seconds that ``Retry-After`` asks to wait, given as a number or as a date (RFC 9110, 10.2.3)."""
    header = header.strip()
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            until = parsedate_to_datetime(header)
        except (ValueError, OverflowError, TypeError):  # a year of twenty digits, say
            return None
        seconds = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_WAIT) if math.isfinite(seconds) else None


def shown(text: str) -> str:
    """What an endpoint said, as one short line of text without tags, control characters and the key.

    The key is taken out before the text is cut, since half of a key would not be recognised, and again after entities
    were resolved, since it may have been written with them.
    """
    secret = CURRENT_SECRET.get()
    text = redact(text, secret)[: 40 * MOST_SHOWN]
    text = html.unescape(_TAGS.sub(" ", text))
    text = " ".join(_NOT_SHOWN.sub(" ", text).split())
    text = redact(text, secret)
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"


def _message(value: object, depth: int = 3) -> str:
    """The sentence in an error body; {"error": {"message"}}, {"error"}, {"message"} and {"detail"} are all in use."""
    if isinstance(value, str):
        return value
    if not depth:
        return ""
    if isinstance(value, list):
        return _message(value[0], depth - 1) if value else ""
    if not isinstance(value, dict):
        return ""
    said = (_message(value.get(key), depth - 1) for key in ("error", "message", "detail", "msg"))
    return next(filter(None, said), "")


def _kind_of_words(value: object) -> ConnectorProblem | None:
    error = value.get("error") if isinstance(value, dict) else None
    for words in (error, value):
        if not isinstance(words, dict):
            continue
        for word in (words.get("type"), words.get("code"), words.get("status")):
            if isinstance(word, str) and word.lower() in _KINDS:
                return _KINDS[word.lower()]
            if isinstance(word, int) and 400 <= word < 600:
                return kind_of_status(word)
    return None
