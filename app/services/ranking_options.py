"""What a person may ask of a ranking of a file, checked before a vote is read."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from app.discovery import find_plugins
from app.errors import InvalidInputError
from app.stats.comparisons import Comparisons
from app.stats.counts import BOTH_BAD, TIES
from app.stats.intervals import normal_quantile
from app.stats.scores import Covariance
from app.stats.uncertainty import clustered, model_based, resampled

INTERVALS = ("sandwich", "model", "bootstrap")
CLUSTERS = ("rater", "prompt")
BIAS_REDUCTIONS = ("auto", "firth", "none")
SCALES = ("logit", "elo")


@dataclass(frozen=True)
class RankOptions:
    """The options of `bakeoff rank`, of the same names."""

    method: str = "bradley_terry"
    ties: str = "half"
    both_bad: str = "tie"
    interval: str = "sandwich"
    cluster: tuple[str, ...] = ()
    position: bool = False
    covariates: tuple[str, ...] = ()
    bias_reduction: str = "auto"
    confidence: float = 0.95
    scale: str = "logit"
    anchor: str | None = None
    sequential: bool = False
    champion: str | None = None
    rope: float | None = None  # logits
    budget: int | None = None
    marginal: bool = False
    quasi: bool = False
    with_staff: bool = False


def find_method(options: RankOptions) -> ModuleType:
    """The method; ``InvalidInputError`` for an option out of range or one that the method doesn't have."""
    methods = find_plugins("app.ranking")
    _check_choice("method", options.method, tuple(methods))
    _check_choice("ties", options.ties, TIES)
    _check_choice("both-bad", options.both_bad, BOTH_BAD)
    _check_choice("interval", options.interval, INTERVALS)
    _check_choice("bias-reduction", options.bias_reduction, BIAS_REDUCTIONS)
    _check_choice("scale", options.scale, SCALES)
    for name in options.cluster:
        _check_choice("cluster", name, CLUSTERS)
    for name in ("cluster", "covariates"):
        if len(set(getattr(options, name))) < len(getattr(options, name)):
            raise InvalidInputError(f"--{name.removesuffix('s')} names something twice")
    normal_quantile(options.confidence)
    if options.budget is not None and options.budget < 1:
        raise InvalidInputError("--budget must be at least one vote.")
    if options.cluster and options.interval == "model":
        raise InvalidInputError("--interval model takes all votes as independent; leave it or --cluster out")
    if options.interval == "bootstrap" and options.bias_reduction == "firth":
        raise InvalidInputError("--interval bootstrap refits by maximum likelihood: no --bias-reduction firth with it")
    method = methods[options.method]
    _refuse_what_the_method_lacks(options, method)
    return method


def _check_choice(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidInputError(f"--{option} must be one of {', '.join(known)}, not {value!r}")


def _refuse_what_the_method_lacks(options: RankOptions, method: ModuleType) -> None:
    """Refuse what would otherwise be passed over in silence: a method has the options that ``rank`` takes by name."""
    takes = inspect.signature(method.rank).parameters
    for flag, name, is_asked in (
        ("--position", "position", options.position),
        ("--covariate", "covariates", bool(options.covariates)),
        ("--bias-reduction", "bias_reduction", options.bias_reduction != "auto"),
        ("--cluster", "covariance", bool(options.cluster)),
        (f"--interval {options.interval}", "covariance", options.interval != "sandwich"),
        ("--sequential", "covariance", options.sequential),
        ("--champion", "multiplicity", options.champion is not None),
        ("--rope", "multiplicity", options.rope is not None),
        ("--budget", "multiplicity", options.budget is not None),
    ):
        if is_asked and name not in takes:
            raise InvalidInputError(f"The method {options.method} cannot do {flag}.")


def can_cluster(method: ModuleType) -> bool:
    """Whether a method takes standard errors other than its own."""
    return _takes(method, "covariance")


def can_fit_position(method: ModuleType) -> bool:
    """Whether a method estimates an advantage of one side of the screen."""
    return _takes(method, "position")


def can_hold_form(method: ModuleType) -> bool:
    """Whether a method fits covariates of the votes, such as how much longer one output is."""
    return _takes(method, "covariates")


def _takes(method: ModuleType, option: str) -> bool:
    return option in inspect.signature(method.rank).parameters


def method_arguments(options: RankOptions, method: ModuleType, comparisons: Comparisons) -> dict[str, Any]:
    """What ``rank`` is called with beside the votes."""
    arguments: dict[str, Any] = {
        "confidence": options.confidence,
        "ties": options.ties,
        "both_bad": options.both_bad,
        "position": options.position,
        "covariates": bool(options.covariates),
        "bias_reduction": options.bias_reduction,
        "covariance": _covariance(options, comparisons),
        "multiplicity": "max_t",
    }
    takes = inspect.signature(method.rank).parameters
    return {name: value for name, value in arguments.items() if name in takes}


def _covariance(options: RankOptions, comparisons: Comparisons) -> Covariance | None:
    """None is each method's own, the per-vote sandwich."""
    if options.interval == "model":
        return model_based
    if options.interval == "bootstrap":
        return resampled(comparisons, options.cluster, ties=options.ties, both_bad=options.both_bad)
    return clustered(comparisons, options.cluster) if options.cluster else None
