"""Asking a model one prompt, the answer drawn as it comes, and what is to be known of it afterwards."""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.components import note, session
from app.components.text import to_markdown
from app.errors import BakeoffError, ConnectorError
from app.services.model_drafts import ModelDraft
from app.services.models import Trial

_DRAW_EVERY_S = 0.05
_PROMPT = "Write two sentences about rain."
_KINDS = {
    "key": "The key was refused",
    "forbidden": "The question was refused",
    "not_found": "Nothing is there",
    "rate": "The endpoint wants fewer questions",
    "server": "The endpoint failed",
    "timeout": "It took too long",
    "network": "No connection",
    "address": "This address may not be asked",
    "bad_answer": "The answer can't be used",
    "too_large": "The answer is too large",
}
_FINISHES = {"stop": "complete", "length": "cut off at the token limit", "refusal": "refused"}


@dataclass(frozen=True, slots=True)
class Offer:
    """A private address that an admin can allow, and what is done again then."""

    host: str
    act: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial of this draft ended: with an answer, or with a problem in words."""

    draft: ModelDraft
    trial: Trial | None
    problem: str = ""
    host: str | None = None


class AskModel(Protocol):
    """How a page asks; raises BakeoffError."""

    def __call__(self, prompt: str, *, on_text: Callable[[str], None], on_wait: Callable[[], None]) -> Trial:
        """The answer to ``prompt``."""
        ...


def _prompt_key(form: str) -> str:
    return f"manage-trial-prompt-{form}"


def _outcome_key(form: str) -> str:
    return f"manage-trial-outcome-{form}"


def _pending_key(form: str) -> str:
    return f"manage-trial-pending-{form}"


def begin(form: str) -> None:
    """Let the run that follows ask."""
    session.choose(_pending_key(form), True)


def forget(form: str) -> None:
    """Show the last answer no more."""
    session.choose(_outcome_key(form), None)
    session.choose(_pending_key(form), False)


def say(problem: ConnectorError) -> str:
    """A problem with an endpoint in words, its kind first."""
    return f"{_KINDS[problem.kind]}. {problem}"


def show_offer(form: str, offer: Offer) -> None:
    """What allowing a private address means, and the button for it."""
    st.caption("Allow it only for a server of your own: prompts, and the secret if one is chosen, are sent there.")
    st.button(f"Allow {offer.host}", key=f"allow-{form}", on_click=offer.act)


def show(form: str, start: Callable[[], None]) -> DeltaGenerator:
    """The prompt and the button; returns the place for the answer, for ``run`` or ``show_outcome``."""
    st.text_area("Prompt to try it with", _PROMPT, key=_prompt_key(form), height=80, persist_state="session")
    st.button("Try it", key=f"try-{form}", on_click=start)
    return st.container(key=f"trial-{form}", gap="small")


def is_pending(form: str) -> bool:
    """Whether this run is to ask."""
    return bool(session.typed(_pending_key(form)))


def run(
    form: str,
    place: DeltaGenerator,
    draft: ModelDraft,
    ask: AskModel,
    host_to_allow: Callable[[ModelDraft], str | None],
) -> None:
    """Ask and draw the answer as it comes; a click elsewhere ends it, and it isn't asked a second time then."""
    forget(form)
    with place:
        state = st.empty()
        answer = st.container(border=True, key=f"answer-{form}").empty()
    drawing = _Drawing(state, answer)
    try:
        trial = ask(session.typed(_prompt_key(form)) or "", on_text=drawing.add, on_wait=drawing.tick)
    except ConnectorError as error:
        host = host_to_allow(draft) if error.kind == "address" else None
        outcome = Outcome(draft, None, say(error), host)
    except BakeoffError as error:
        outcome = Outcome(draft, None, str(error))
    else:
        outcome = Outcome(draft, trial)
    session.choose(_outcome_key(form), outcome)
    st.rerun()


class _Drawing:
    """Text that grows, drawn at most twenty times a second, however small the pieces are."""

    def __init__(self, state: DeltaGenerator, answer: DeltaGenerator) -> None:
        self._state, self._answer = state, answer
        self._text, self._drawn_at, self._is_stale = "", 0.0, False
        self._began = self._said_at = time.monotonic()
        self._state.caption("Asked. Waiting for the answer …")

    def add(self, piece: str) -> None:
        self._text += piece
        self._is_stale = True
        if time.monotonic() - self._drawn_at >= _DRAW_EVERY_S:
            self._draw()

    def tick(self) -> None:
        """Draw what came last, and how long it takes; each drawing is also where a click elsewhere can end the wait."""
        if self._is_stale:
            self._draw()
        now = time.monotonic()
        if now - self._said_at >= 0.5:
            self._said_at = now
            self._state.caption(
                f"{'Answering' if self._text else 'Waiting for the answer'} … {now - self._began:.0f} s"
            )

    def _draw(self) -> None:
        self._answer.markdown(to_markdown(self._text))
        self._drawn_at, self._is_stale = time.monotonic(), False


def show_outcome(form: str, place: DeltaGenerator, draft: ModelDraft, allow: Callable[[str], None]) -> None:
    """The answer of the last trial with what is known of it, or why there is none."""
    outcome: Outcome | None = session.typed(_outcome_key(form))
    if outcome is None:
        return
    with place:
        if outcome.draft != draft:
            st.caption("The form has changed since this was tried.")
        if outcome.trial is None:
            note.show(outcome.problem, "refused")
            if outcome.host:
                host = outcome.host
                show_offer(form, Offer(host, lambda: allow(host)))
            return
        with st.container(border=True, key=f"answer-{form}"):
            _show_answer(outcome.trial)
        st.html(_facts(outcome.trial))


def _show_answer(trial: Trial) -> None:
    if trial.text.strip():
        st.markdown(to_markdown(trial.text))
    for image in trial.images:
        st.image(image.data, output_format="PNG")
    if not trial.text.strip() and not trial.images:
        st.caption("The answer is empty.")


def _facts(trial: Trial) -> str:
    known = {
        "Latency": _seconds(trial.latency_ms),
        "First token": _seconds(trial.first_token_ms),
        "Tokens in": _count(trial.input_tokens),
        "Tokens out": _count(trial.output_tokens),
        "Cost": "unknown" if trial.cost is None else money(trial.cost),
        "Ended": _FINISHES.get(trial.finish, trial.finish),
        "Calls itself": trial.model_said or "nothing",
    }
    pairs = "".join(f"<div><dt>{name}</dt><dd>{html.escape(value)}</dd></div>" for name, value in known.items())
    return f'<dl class="bo-facts">{pairs}</dl>'


def _seconds(ms: float | None) -> str:
    if ms is None:
        return "not streamed"
    return f"{ms:,.0f} ms" if ms < 1000 else f"{ms / 1000:,.1f} s"


def _count(n: int | None) -> str:
    return "unknown" if n is None else f"{n:,}"


def money(cost: float) -> str:
    """Dollars with the digits that matter: $0.00012, $3.40."""
    if cost == 0 or cost >= 0.01:
        return f"${cost:,.2f}"
    return f"${cost:.2g}" if cost >= 1e-4 else f"${cost:.6f}".rstrip("0").rstrip(".")
