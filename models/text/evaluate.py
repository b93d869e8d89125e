"""Evaluate the classifier on labelled texts by nested cross-validation, against keywords alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from models.text.model import (
    FEWEST_TEXTS,
    Counts,
    TextModel,
    count,
    fit,
    fit_margins,
    folds_of,
    threshold_of,
)

_DRAWS = 1000  # bootstrap samples of texts
_BINS = 10
_SIZES = (50, 100, 200, 400, 800, 1600, 3200, 6400)
_SEED = 19


@dataclass(frozen=True)
class Evaluation:
    """What was measured on held-out texts.

    needs: ids. labels: bool [texts, needs]. chances: held-out probabilities, float64 [texts, needs].
    by_keywords: bool [texts, needs], what keywords alone say. told: bool [texts, needs], what passes the threshold of
    each fold's training texts. curve: texts (of training), macro_f1. metrics: by name.
    """

    needs: tuple[str, ...]
    labels: np.ndarray
    chances: np.ndarray
    by_keywords: np.ndarray
    told: np.ndarray
    curve: pd.DataFrame
    metrics: dict[str, float]

    @property
    def predicted(self) -> np.ndarray:
        """Return the likeliest need of each text: bool [texts, needs]."""
        return likeliest(self.chances, self.labels)


def learnable(labels: Sequence[str]) -> list[str]:
    """List the needs with enough texts to learn from, in order."""
    counts = pd.Series(list(labels)).value_counts()
    return sorted(str(need) for need, texts in counts.items() if texts >= FEWEST_TEXTS)


def likeliest(chances: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return each text's likeliest need, or where texts have several those above one half: bool [texts, needs]."""
    if (labels.sum(axis=1) == 1).all():
        return np.arange(labels.shape[1]) == chances.argmax(axis=1)[:, None]
    return chances >= 0.5


def evaluate(
    texts: Sequence[str], labels: np.ndarray, needs: Sequence[str], keywords: Sequence[Sequence[str]]
) -> tuple[Evaluation, TextModel]:
    """Measure the classifier on held-out folds; calibration and threshold come from inner folds of the training texts.

    texts: distinct texts as written.
    labels: which needs a text is about: bool [texts, needs].
    needs: ids.
    keywords: of each need; the baseline takes the need with most.

    Returns what was measured, and the classifier of all texts.
    """
    counts = count(texts, keywords)
    chances, tested = np.zeros(labels.shape), np.zeros(labels.shape, dtype=bool)
    for train, test in folds_of(labels):
        model = fit(counts[train], labels[train], needs, keywords)
        chances[test] = model.probabilities_of(counts[test])
        tested[test] = chances[test] >= model.threshold
    by_keywords = (counts.hits == counts.hits.max(axis=1, keepdims=True)) & (counts.hits > 0)
    by_keywords &= by_keywords.cumsum(axis=1) == 1  # of equal ones the first
    curve = _curve(counts, labels, needs, keywords)
    metrics = _metrics(labels, chances, tested, by_keywords)
    evaluation = Evaluation(tuple(needs), labels, chances, by_keywords, tested, curve, metrics)
    return evaluation, fit(counts, labels, needs, keywords)


def _metrics(
    labels: np.ndarray, chances: np.ndarray, tested: np.ndarray, by_keywords: np.ndarray
) -> dict[str, float]:
    predicted = likeliest(chances, labels)
    draw = np.random.default_rng(_SEED)
    samples = draw.integers(0, len(labels), (_DRAWS, len(labels)))
    scores = np.array([macro_f1(labels[rows], predicted[rows]) for rows in samples])
    theirs = np.array([macro_f1(labels[rows], by_keywords[rows]) for rows in samples])
    sure = tested.any(axis=1)
    best = threshold_of(chances, labels)
    return {
        "texts": float(len(labels)),
        "macro_f1": macro_f1(labels, predicted),
        **_ends("macro_f1", scores),
        "keywords_macro_f1": macro_f1(labels, by_keywords),
        **_ends("keywords_macro_f1", theirs),
        "gain": macro_f1(labels, predicted) - macro_f1(labels, by_keywords),
        **_ends("gain", scores - theirs),
        "accuracy": float((predicted == labels).all(axis=1).mean()),
        "calibration_error": calibration_error(chances, labels),
        "coverage": float(sure.mean()),
        "precision_of_told": float(labels[tested].mean()) if tested.any() else float("nan"),
        "coverage_at_precision": float((chances >= best).any(axis=1).mean()),
    }


def _ends(name: str, draws: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return {f"{name}_low": float(low), f"{name}_high": float(high)}


def macro_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean F1 of the needs that occur in either; both bool [texts, needs]."""
    right = (labels & predicted).sum(axis=0)
    total = labels.sum(axis=0) + predicted.sum(axis=0)
    return float(np.mean(2 * right[total > 0] / total[total > 0]))


def reliability(chances: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Compare the likeliest need's probability with how often it is right: predicted, observed, count by tenth."""
    top = chances.argmax(axis=1)
    rows = np.arange(len(top))
    table = pd.DataFrame({"predicted": chances[rows, top], "observed": labels[rows, top].astype(float)})
    bins = np.minimum((table["predicted"] * _BINS).astype(int), _BINS - 1)
    grouped = table.groupby(bins)
    return grouped.mean().assign(count=grouped.size()).reset_index(drop=True)


def calibration_error(chances: np.ndarray, labels: np.ndarray) -> float:
    """Compute the expected calibration error of the likeliest need over ten equal bins (Guo et al., 2017)."""
    table = reliability(chances, labels)
    gap = (table["predicted"] - table["observed"]).abs()
    return float((gap * table["count"]).sum() / table["count"].sum())


def _curve(
    counts: Counts, labels: np.ndarray, needs: Sequence[str], keywords: Sequence[Sequence[str]]
) -> pd.DataFrame:
    """Train on ever more texts of four folds and measure macro-F1 on the fifth, by turns."""
    folds = folds_of(labels)
    draw = np.random.default_rng(_SEED)
    largest = min(len(train) for train, _ in folds)
    rows = []
    for size in [*(size for size in _SIZES if size < 0.9 * largest), largest]:
        predicted = np.zeros(labels.shape, dtype=bool)
        for train, test in folds:
            sample = draw.permutation(train)[:size]
            model = fit_margins(counts[sample], labels[sample], needs, keywords)
            margins = model.margins(counts[test])
            predicted[test] = np.arange(len(needs)) == margins.argmax(axis=1)[:, None]
        rows.append((size, float(f1_score(labels, predicted, average="macro", zero_division=0))))
    return pd.DataFrame(rows, columns=["texts", "macro_f1"])
