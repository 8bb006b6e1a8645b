"""The difference of two models with the length and marks of their outputs held equal, beside the raw one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.domain import Effect
from app.errors import InvalidInputError, RankingError
from app.services import slices
from app.services.estimates import Estimate, estimated
from app.services.head_to_head import Setting
from app.services.output_form import with_form
from app.services.shared_work import Say
from app.services.slices import Slice
from app.services.vote_store import StudyVotes
from app.stats import contrasts
from app.stats.comparisons import Comparisons
from app.stats.contrasts import Contrast
from app.stats.style_contrast import style_contrast


@dataclass(frozen=True, slots=True)
class StyleControl:
    """The raw and the controlled difference from the same ``n_votes``; ``problem`` says why there are none.

    ``effects`` are by feature, in logits for one root mean square more than the other output; ``characters`` are the
    mean lengths of the outputs of the model and of whom it is compared with.
    """

    n_votes: int = 0
    n_unknown: int = 0
    raw: Estimate | None = None
    controlled: Estimate | None = None
    effects: tuple[Effect, ...] = ()
    characters: tuple[float, float] = (0.0, 0.0)
    problem: str = ""


def control_style(
    setting: Setting, study: StudyVotes, chosen: Slice, *, say: Say = lambda _share, _doing: None
) -> StyleControl:
    """Both differences, over the votes whose two outputs are known."""
    say(0.05, "Measuring the outputs")
    found = with_form(study, slices.take(study, chosen), [setting.prompt_set_id] if setting.prompt_set_id else [])
    if found.comparisons is None:
        return StyleControl(n_unknown=found.n_unknown, problem=found.problem)
    say(0.3, "Fitting strengths and form together")
    held = _held(setting, study, found.comparisons)
    if isinstance(held, str):
        return StyleControl(n_unknown=found.n_unknown, problem=held)
    raw, controlled, effects = held
    estimates = _of(raw, setting), _of(controlled, setting)
    lengths = _lengths(found.form, study, setting)
    return StyleControl(round(raw.n_votes), found.n_unknown, *estimates, effects, lengths)


def _held(
    setting: Setting, study: StudyVotes, comparisons: Comparisons
) -> tuple[Contrast, Contrast, tuple[Effect, ...]] | str:
    """The raw and the controlled difference with the effects of form, or why there are none."""
    a = study.models.index(setting.model)
    of = (
        contrasts.field_contrast(a)
        if setting.opponent is None
        else contrasts.pair_contrast(a, study.models.index(setting.opponent))
    )
    counted = contrasts.votes_of(comparisons)
    raw = contrasts.contrast_of(counted, of)
    try:
        found = style_contrast(comparisons, of, counted.cluster)
    except (InvalidInputError, RankingError) as error:
        return f"The form can't be held equal here: {error}"
    if found is None or raw is None:
        return "These votes don't link the models."
    return raw, replace(raw, difference=found.difference, variance=found.variance, df=found.df), found.effects


def _of(found: Contrast, setting: Setting) -> Estimate:
    return estimated(found, 1, is_at_end=setting.is_at_end)


def _lengths(form: NDArray[np.float64], study: StudyVotes, setting: Setting) -> tuple[float, float]:
    a = study.models.index(setting.model)
    others = [i for i in range(len(study.models)) if i != a]
    rest = others if setting.opponent is None else [study.models.index(setting.opponent)]
    return float(np.nanmean(form[a, :, 0])), float(np.nanmean(form[rest, :, 0]))
