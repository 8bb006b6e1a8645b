"""What each ranking method and interval is, in words for a paper, with the sources that it names.

A source is written as [key] in a sentence; ``cited`` turns it into author and year, and ``listed_sources`` gives the
full references of those that a text names.
"""

from __future__ import annotations

import re

from app.discovery import find_plugins

_CITED = re.compile(r"\[([a-z]+\d{4})\]")
SOURCES = {
    "bradley1952": (
        "Bradley & Terry 1952",
        "Bradley, R. A. & Terry, M. E. (1952). Rank analysis of incomplete block designs: I. The method of paired "
        "comparisons. Biometrika 39, 324-345.",
    ),
    "cameron2011": (
        "Cameron, Gelbach & Miller 2011",
        "Cameron, A. C., Gelbach, J. B. & Miller, D. L. (2011). Robust inference with multiway clustering. Journal of "
        "Business & Economic Statistics 29, 238-249.",
    ),
    "chen2013": (
        "Chen et al. 2013",
        "Chen, X., Bennett, P. N., Collins-Thompson, K. & Horvitz, E. (2013). Pairwise ranking aggregation in a "
        "crowdsourced setting. WSDM 2013, 193-202.",
    ),
    "davidson1970": (
        "Davidson 1970",
        "Davidson, R. R. (1970). On extending the Bradley-Terry model to accommodate ties in paired comparison "
        "experiments. Journal of the American Statistical Association 65, 317-328.",
    ),
    "beaver1977": (
        "Davidson & Beaver 1977",
        "Davidson, R. R. & Beaver, R. J. (1977). On extending the Bradley-Terry model to incorporate within-pair order "
        "effects. Biometrics 33, 693-702.",
    ),
    "elo1978": ("Elo 1978", "Elo, A. E. (1978). The Rating of Chessplayers, Past and Present. Arco."),
    "firth1993": (
        "Firth 1993",
        "Firth, D. (1993). Bias reduction of maximum likelihood estimates. Biometrika 80, 27-38.",
    ),
    "ford1957": (
        "Ford 1957",
        "Ford, L. R. (1957). Solution of a ranking problem from binary comparisons. American Mathematical Monthly 64, "
        "28-33.",
    ),
    "holm1979": (
        "Holm 1979",
        "Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics "
        "6, 65-70.",
    ),
    "hothorn2008": (
        "Hothorn, Bretz & Westfall 2008",
        "Hothorn, T., Bretz, F. & Westfall, P. (2008). Simultaneous inference in general parametric models. "
        "Biometrical Journal 50, 346-363.",
    ),
    "huber1967": (
        "Huber 1967",
        "Huber, P. J. (1967). The behavior of maximum likelihood estimates under nonstandard conditions. Fifth "
        "Berkeley Symposium on Mathematical Statistics and Probability 1, 221-233.",
    ),
    "liang1986": (
        "Liang & Zeger 1986",
        "Liang, K.-Y. & Zeger, S. L. (1986). Longitudinal data analysis using generalized linear models. Biometrika "
        "73, 13-22.",
    ),
    "lindley1956": (
        "Lindley 1956",
        "Lindley, D. V. (1956). On a measure of the information provided by an experiment. Annals of Mathematical "
        "Statistics 27, 986-1005.",
    ),
    "maystre2015": (
        "Maystre & Grossglauser 2015",
        "Maystre, L. & Grossglauser, M. (2015). Fast and accurate inference of Plackett-Luce models. Advances in "
        "Neural Information Processing Systems 28.",
    ),
    "mikhailiuk2020": (
        "Mikhailiuk et al. 2020",
        "Mikhailiuk, A., Wilmot, C., Perez-Ortiz, M., Yue, D. & Mantiuk, R. K. (2020). Active sampling for pairwise "
        "comparisons via approximate message passing and information gain maximization. arXiv 2004.05691.",
    ),
    "mogstad2024": (
        "Mogstad, Romano, Shaikh & Wilhelm 2024",
        "Mogstad, M., Romano, J. P., Shaikh, A. M. & Wilhelm, D. (2024). Inference for ranks with applications to "
        "mobility across neighbourhoods and academic achievement across countries. Review of Economic Studies 91, "
        "476-518.",
    ),
    "rao1967": (
        "Rao & Kupper 1967",
        "Rao, P. V. & Kupper, L. L. (1967). Ties in paired-comparison experiments: a generalization of the "
        "Bradley-Terry model. Journal of the American Statistical Association 62, 194-204.",
    ),
    "romano2005": (
        "Romano & Wolf 2005",
        "Romano, J. P. & Wolf, M. (2005). Exact and approximate stepdown methods for multiple hypothesis testing. "
        "Journal of the American Statistical Association 100, 94-108.",
    ),
    "wilson1927": (
        "Wilson 1927",
        "Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal of the "
        "American Statistical Association 22, 209-212.",
    ),
    "wu2016": (
        "Wu & Liu 2016",
        "Wu, H. & Liu, X. (2016). Double Thompson sampling for dueling bandits. Advances in Neural Information "
        "Processing Systems 29.",
    ),
}

METHODS = {
    "bradley_terry": (
        "Models are rated by the Bradley-Terry model [bradley1952]: the chance that model i is preferred to model j is "
        "1 / (1 + exp(-(θ_i - θ_j))), with one strength θ per model in logits, estimated by maximum likelihood. The "
        "maximum is finite exactly if the graph of wins is strongly connected [ford1957]."
    ),
    "davidson": (
        "Models are rated by Davidson's extension of the Bradley-Terry model to ties [davidson1970]: P(i wins) : "
        "P(j wins) : P(tie) = exp(d / 2) : exp(-d / 2) : ν with d = θ_i - θ_j, strengths θ in logits and one tie "
        "parameter ν, estimated together by maximum likelihood."
    ),
    "rao_kupper": (
        "Models are rated by Rao and Kupper's extension of the Bradley-Terry model to ties [rao1967]: P(i wins) = "
        "π_i / (π_i + κ π_j) with π = exp(θ) and one threshold κ ≥ 1, a tie being what neither win covers; strengths θ "
        "in logits and κ are estimated together by maximum likelihood."
    ),
    "both_bad": (
        "Models are rated by how seldom their pairs are called both bad: logit P(both bad | i, j) = a - q_i - q_j with "
        "one additive quality q per model, a binomial regression fitted by maximum likelihood. It measures absolute "
        "quality and says nothing of who wins."
    ),
    "crowd_bt": (
        "Models are rated by Crowd-BT [chen2013]: rater r gives the answer that the Bradley-Terry model foresees with "
        "probability η_r and the opposite otherwise, P = η_r p + (1 - η_r)(1 - p), with a beta prior on the "
        "reliability η_r, fitted by expectation maximisation. It is a check of sensitivity: differences tend to come "
        "out too large."
    ),
    "lsr": (
        "Models are rated by one pass of Luce spectral ranking [maystre2015], the stationary distribution of a walk "
        "from losers to winners, a consistent estimate of Bradley-Terry strengths [bradley1952]."
    ),
    "elo": (
        "Models are rated by online Elo [elo1978]: after each vote, in the order in which votes were cast, ratings "
        "move by K (s - expected) with K = 32 points, s = 1 for a win, 1/2 for a tie and 0 for a loss. Another order "
        "of the same votes gives other ratings."
    ),
    "win_rate": (
        "Models are ordered by their win rate, the share of their votes that they won. It does not correct for the "
        "strength of the opponents that a model happened to meet."
    ),
}
ALLOCATIONS = {
    "uniform": (
        "Each battle showed the pair with the fewest votes so far, then what the rater had met least, then by chance, "
        "so that every pair got the same number of votes whatever was voted."
    ),
    "weighted": "Pairs were drawn with chances proportional to the product of fixed weights of the two models.",
    "active": (
        "Pairs were drawn by expected information gain on the ranking [lindley1956] [mikhailiuk2020], so that models "
        "close to each other met more often."
    ),
    "thompson": (
        "Pairs were drawn by double Thompson sampling [wu2016], so that most votes compare the models that may be best."
    ),
}


def describe_method(method: str) -> str:
    """A method in words; of one that came as a plug-in, what it says of itself."""
    if method in METHODS:
        return METHODS[method]
    plugin = find_plugins("app.ranking")[method]
    return f"Models are rated by {plugin.LABEL}. {plugin.DESCRIPTION}"


def describe_allocation(allocation: str) -> str:
    """How pairs were chosen; of a strategy that came as a plug-in, what it says of itself."""
    if allocation in ALLOCATIONS:
        return ALLOCATIONS[allocation]
    plugin = find_plugins("app.sampling").get(allocation)
    return f"Pairs were chosen by the strategy {allocation}{f': {plugin.DESCRIPTION}' if plugin else '.'}"


def cited(text: str) -> str:
    """The text with its sources as author and year; neighbours share the parentheses."""
    joined = re.sub(r"\] \[", "; ", text)
    return re.sub(
        r"\[([a-z]+\d{4}(?:; [a-z]+\d{4})*)\]",
        lambda found: "(" + "; ".join(SOURCES[key][0] for key in found[1].split("; ")) + ")",
        joined,
    )


def listed_sources(text: str) -> list[str]:
    """The references of the sources that a text names, in the order of the alphabet."""
    return sorted(SOURCES[key][1] for key in set(_CITED.findall(text)))


def plain(text: str) -> str:
    """A name as it was written, also where Markdown is read; our own sources stand in brackets, names never do."""
    for sign in "\\`*_[]<>#|~":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def counted(n: float, noun: str) -> str:
    """A number with its noun: "1 vote", "8,931 votes"."""
    return f"{n:,.0f} {noun}{'' if n == 1 else 's'}"


def percent_of(part: float, whole: float) -> str:
    """A share in per cent, or that there is none."""
    return f"{100 * part / whole:.1f} %" if whole else "none"
