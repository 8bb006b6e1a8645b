"""Where a study leads its raters: consent, practice with feedback, and the farewell."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import streamlit as st

from app.components import ballot, chrome, content, note, session
from app.components.text import to_markdown
from app.domain import Ballot
from app.study import Consent, Ending, Farewell, Feedback, Practice

Act = Callable[[UUID], None]
_ANSWERS = {answer.value: label for answer, label, _, _ in ballot.ANSWERS}


@dataclass(frozen=True, slots=True)
class Acts:
    """What the buttons call, with the study's id."""

    agree: Act
    decline: Act
    reconsider: Act
    practise: Act
    begin: Act


def show(served: Ballot, acts: Acts, cast: Callable[[str, str, datetime], None]) -> None:
    """The step on which a rater stands."""
    step = served.step
    if isinstance(step, Consent):
        _show_consent(served, step, acts)
    elif isinstance(step, Practice) and served.battle is not None:
        _show_head(served, f"Practice {step.number:,} of {step.n_pairs:,}, not counted")
        if step.number == 1 and served.study.guidelines:
            with st.container(border=True, key="first-guidelines"):
                st.markdown(to_markdown(served.study.guidelines))
        content.show_battle(served.battle)
        ballot.show_bar(served.battle, cast=cast)
    elif isinstance(step, Feedback):
        _show_feedback(served, step, acts)
    elif isinstance(step, Farewell):
        _show_farewell(step, served.n_votes)


def _show_refusal() -> None:
    """What went wrong with the last click; that one went well is to be seen."""
    message = session.take_flash()
    if message is not None and message.kind == "refused":
        note.show(message.text, "refused")


def _show_head(served: Ballot, said: str) -> None:
    st.html(
        f'<div class="bo-head"><b>{html.escape(served.study.title)}</b>'
        f'<span role="status">{html.escape(said)}</span></div>'
    )
    _show_refusal()


def _show_consent(served: Ballot, step: Consent, acts: Acts) -> None:
    st.html('<div class="bo-alone"></div>')
    args = (served.study.id,)
    if step.is_declined:
        chrome.show_notice(
            "You don't take part",
            "That is fine, and nothing of you was stored but your answer. If you came from a panel, return your "
            "place there without a code. You can close this tab.",
        )
        st.button("Read it once more", key="reconsider", on_click=acts.reconsider, args=args)
        return
    st.title(served.study.title, anchor=False)
    _show_refusal()
    st.markdown("Before you begin, please read this.")
    with st.container(border=True, key="consent"):
        st.markdown(to_markdown(step.text))
    with st.container(horizontal=True, gap="small", key="consent-acts"):
        st.button("I agree", key="agree", type="primary", on_click=acts.agree, args=args)
        st.button("I don't want to take part", key="decline", type="tertiary", on_click=acts.decline, args=args)


def _show_feedback(served: Ballot, step: Feedback, acts: Acts) -> None:
    _show_head(served, f"Practice {step.number:,} of {step.n_pairs:,}, not counted")
    is_right = step.answer == step.expected
    title = "That is what we expected." if is_right else "We expected another answer."
    said = "" if is_right else f"You said: <b>{_ANSWERS[step.answer]}</b>. "
    reason = f"<p>{html.escape(step.reason)}</p>" if step.reason else ""
    st.html(
        f'<div class="bo-note bo-note-{"done" if is_right else "refused"} bo-feedback" role="status"><b>{title}</b>'
        f"<p>{said}Expected: <b>{_ANSWERS[step.expected]}</b>.</p>{reason}</div>"
    )
    if served.battle is not None:
        content.show_battle(served.battle)
    args = (served.study.id,)
    with st.container(horizontal=True, horizontal_alignment="center", key="bar", gap="small"):
        if not step.is_last:
            st.button("Next pair", key="lead-next", shortcut="N", type="primary", on_click=acts.practise, args=args)
        if step.can_start:
            st.button(
                "Start the study",
                key="lead-begin",
                shortcut="B",
                type="primary" if step.is_last else "secondary",
                on_click=acts.begin,
                args=args,
            )
        if step.is_last:
            st.button("Practise again", key="lead-again", type="secondary", on_click=acts.practise, args=args)


_ENDINGS = {
    Ending.DONE: ("That was all. Thank you!", "{saved} You can close this tab."),
    Ending.SCREENED_OUT: (
        "Thank you for your time",
        "Some pairs were there to see whether we explained the task well, and your answers to them were not the ones "
        "that we expected. So the study ends here for you.",
    ),
    Ending.OVER_QUOTA: (
        "Thank you for coming",
        "This study has all the votes that it needs, so there was no pair left for you.",
    ),
    None: ("You have withdrawn", "Your answers are used no more. You can close this tab."),
}


def _show_farewell(step: Farewell, n_votes: int) -> None:
    title, text = _ENDINGS[Ending(step.ending) if step.ending else None]
    saved = "Your answer is saved." if n_votes == 1 else f"Your {n_votes:,} answers are saved."
    if step.code:
        text = text.replace(" You can close this tab.", "")
    st.html(f'<div class="{"bo-bye" if step.ending == Ending.DONE else "bo-alone"}"></div>')
    st.title(title, anchor=False)
    _show_refusal()
    st.markdown(text.format(saved=saved))
    if step.agreement is not None:
        st.markdown(
            f"Others who saw the same pairs said the same as you in **{100 * step.agreement:.0f} %** of their votes."
        )
    if step.return_url:
        st.link_button("Return to Prolific", step.return_url, type="primary")
    if step.code:
        words = "Or enter this code there:" if step.return_url else "Your completion code:"
        code = html.escape(step.code)
        st.html(
            f'<div class="bo-code"><span>{words}</span><code>{code}</code>'
            f'<button type="button" class="bo-copy" data-copy="{code}">Copy</button></div>'
        )


def show_withdrawal(consent: str, withdraw: Callable[[], None]) -> None:
    """The consent to read again, and the way out; for the dialog of the guidelines."""
    with st.expander("What you agreed to"):
        st.markdown(to_markdown(consent))
        st.caption("If you withdraw, your answers are used no more, and you can't come back to this study.")
        if st.button("Withdraw from this study", key="withdraw", on_click=withdraw):
            st.rerun()


def is_done(served: Ballot) -> bool:
    """Whether a rater has come to the good end, where the last vote can still be explained."""
    return isinstance(served.step, Farewell) and served.step.ending == Ending.DONE


def is_before_start(served: Ballot) -> bool:
    """Whether a rater has not agreed yet, so that nothing is shown to them."""
    return isinstance(served.step, Consent)
