"""A linear text classifier: hashed character n-grams, weighted by naive Bayes, with calibrated probabilities.

Support vector machines, one a need against the rest, on tf-idf of n-grams of 1 and 2 characters; each n-gram is weighted
by the square root of its log-count ratio between the need and the rest (after Wang and Manning, 2012, "Baselines and
Bigrams"). How often a need's keywords stand in the text is one more column a need. Margins of held-out folds give the
probabilities and the threshold under which the model abstains.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_array, diags_array, hstack
from scipy.special import expit, log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.svm import LinearSVC

from models.text.fields import count_fields, count_keywords, fields_of

FIELD_WEIGHTS = (1.0, 0.7, 0.7)  # title, beginning, body
KEYWORD_WEIGHT = 0.1
FEWEST_TEXTS = 5  # labelled with a need, for it to be learnt
LEAST_CHANCE = 0.4  # below it nothing is told, however easy the training texts were
PRECISION = 0.9  # wanted of what is not left to a person
_SMOOTHING = 0.1
_FOLDS = 5
_SEED = 19


@dataclass(frozen=True)
class Counts:
    """What is counted in texts before anything is learnt: n-grams a field, and keywords [texts, needs]."""

    fields: list[csr_array]
    hits: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> "Counts":
        """Return some of the texts."""
        return Counts([counts[rows] for counts in self.fields], self.hits[rows])


@dataclass(frozen=True)
class TextModel:
    """Weights of a linear classifier of texts.

    needs: ids, in the order of the columns below; "" stands for nobody's need.
    keywords: of each need. exclusive: whether a text of the training set has one need at most.
    columns: of each field, the hashes that count: int32. idf: of each: float32.
    weights: float32 [columns of all fields and one a need, needs]. intercept: float32 [needs].
    slope, bias: float64 [needs], from margins to log-odds. threshold: probability from which a need is told.
    """

    needs: tuple[str, ...]
    keywords: tuple[tuple[str, ...], ...]
    exclusive: bool
    columns: list[np.ndarray]
    idf: list[np.ndarray]
    weights: np.ndarray
    intercept: np.ndarray
    slope: np.ndarray
    bias: np.ndarray
    threshold: float = 1.0
    metadata: dict[str, str] = field(default_factory=dict)

    def margins(self, counts: Counts) -> np.ndarray:
        """Compute how far each text is on each need's side: float64 [texts, needs]."""
        return np.asarray(
            _matrix(counts, self.columns, self.idf) @ self.weights + self.intercept, dtype=float
        )

    def probabilities_of(self, counts: Counts) -> np.ndarray:
        """Compute each need's probability: float64 [texts, needs]; rows sum to one if needs exclude each other."""
        return _probabilities(self.margins(counts), self.slope, self.bias, self.exclusive)

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Mask the texts and compute each need's probability: float64 [texts, needs]."""
        return self.probabilities_of(count(texts, self.keywords))


def count(texts: Sequence[str], keywords: Sequence[Sequence[str]]) -> Counts:
    """Mask texts and count their n-grams and keywords."""
    titles, bodies = fields_of(texts)
    return Counts(count_fields(titles, bodies), count_keywords(titles, bodies, keywords))


def fit(
    counts: Counts, labels: np.ndarray, needs: Sequence[str], keywords: Sequence[Sequence[str]]
) -> TextModel:
    """Fit a classifier with its probabilities and its threshold.

    counts: of the texts.
    labels: which needs a text is about: bool [texts, needs], with at least FEWEST_TEXTS of each need.
    needs: ids.
    keywords: of each need.
    """
    exclusive = bool((labels.sum(axis=1) == 1).all())
    margins = np.zeros(labels.shape)
    for train, test in folds_of(labels):
        margins[test] = fit_margins(counts[train], labels[train], needs, keywords).margins(counts[test])
    slope, bias = _calibrate(margins, labels, exclusive)
    chance = _probabilities(margins, slope, bias, exclusive)
    return replace(
        fit_margins(counts, labels, needs, keywords),
        exclusive=exclusive,
        slope=slope,
        bias=bias,
        threshold=max(threshold_of(chance, labels), LEAST_CHANCE),
    )


def folds_of(labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Part the texts into folds with equal shares of the needs, where a text has one."""
    alone = (labels.sum(axis=1) == 1).all()
    split = (StratifiedKFold if alone else KFold)(_FOLDS, shuffle=True, random_state=_SEED)
    return list(split.split(labels, labels.argmax(axis=1)))


def fit_margins(
    counts: Counts, labels: np.ndarray, needs: Sequence[str], keywords: Sequence[Sequence[str]]
) -> TextModel:
    """Fit the weights alone; the parameters are those of ``fit``."""
    least = 2 if len(labels) >= 100 else 1
    columns, idf = [], []
    for counted in counts.fields:
        texts_with = np.bincount(counted.indices, minlength=counted.shape[1])
        kept = np.flatnonzero(texts_with >= least).astype(np.int32)
        columns.append(kept)
        idf.append((np.log((1 + len(labels)) / (1 + texts_with[kept])) + 1).astype(np.float32))
    matrix = _matrix(counts, columns, idf)
    weights = np.zeros((matrix.shape[1], len(needs)), dtype=np.float32)
    intercept = np.full(len(needs), -1.0, dtype=np.float32)
    for place, of_need in enumerate(labels.T):
        if of_need.any() and not of_need.all():
            ratio = _ratio(matrix, of_need)
            machine = LinearSVC(C=1, class_weight="balanced", dual=True, tol=1e-2, random_state=_SEED)
            machine.fit(matrix @ diags_array(ratio), of_need)
            weights[:, place], intercept[place] = machine.coef_[0] * ratio, machine.intercept_[0]
    ones = np.ones(len(needs))
    kept_words = tuple(tuple(words) for words in keywords)
    return TextModel(
        tuple(needs), kept_words, True, columns, idf, weights, intercept, ones, np.zeros(len(needs))
    )


def _matrix(counts: Counts, columns: list[np.ndarray], idf: list[np.ndarray]) -> csr_array:
    """Weight the counted n-grams by tf-idf, each field to length one, and put the keywords beside them."""
    parts = []
    for counted, kept, scale, weight in zip(counts.fields, columns, idf, FIELD_WEIGHTS, strict=True):
        place = np.full(counted.shape[1], -1, dtype=np.int32)
        place[kept] = np.arange(len(kept), dtype=np.int32)
        row = np.repeat(np.arange(counted.shape[0], dtype=np.int32), np.diff(counted.indptr))
        column = place[counted.indices]
        known = column >= 0
        row, column = row[known], column[known]
        value = (1 + np.log(counted.data[known])) * scale[column]
        length = np.sqrt(np.bincount(row, value.astype(float) ** 2, minlength=counted.shape[0]))
        value = (weight * value / length[row]).astype(np.float32)
        parts.append(csr_array((value, (row, column)), shape=(counted.shape[0], len(kept))))
    return csr_array(hstack([*parts, csr_array(KEYWORD_WEIGHT * np.log1p(counts.hits))], format="csr"))


def _ratio(matrix: csr_array, labels: np.ndarray) -> np.ndarray:
    """Weigh each column by how much more it stands in a need's texts than in others, or less: float32 [columns]."""
    total = np.asarray(matrix.sum(axis=0), dtype=float)
    inside = np.asarray(matrix[labels].sum(axis=0), dtype=float)
    more = _SMOOTHING * total.mean()
    inside, outside = inside + more, total - inside + more
    ratio = np.sqrt(np.abs(np.log(inside / inside.sum() / (outside / outside.sum()))))
    lengths = np.sqrt(np.asarray((matrix @ diags_array(ratio)).power(2).sum(axis=1)))
    return (ratio / max(float(lengths.mean()), 1e-9)).astype(np.float32)


def _probabilities(margins: np.ndarray, slope: np.ndarray, bias: np.ndarray, exclusive: bool) -> np.ndarray:
    log_odds = margins * slope + bias
    return softmax(log_odds, axis=1) if exclusive else expit(log_odds)


def _calibrate(margins: np.ndarray, labels: np.ndarray, exclusive: bool) -> tuple[np.ndarray, np.ndarray]:
    """Find slope and bias of each need on held-out margins: one slope where needs exclude each other."""
    needs = labels.shape[1]
    if not exclusive:
        fitted = [LogisticRegression().fit(margins[:, [at]], labels[:, at]) for at in range(needs)]
        return np.array([line.coef_[0, 0] for line in fitted]), np.array(
            [line.intercept_[0] for line in fitted]
        )

    def loss(at: np.ndarray) -> float:
        likely = log_softmax(margins * np.exp(at[0]) + at[1:], axis=1)
        # held to finite slopes where the folds are parted without a mistake
        return float(-likely[labels].sum() + 0.5 * (at**2).sum())

    best = minimize(loss, np.zeros(needs + 1), method="L-BFGS-B").x
    return np.full(needs, np.exp(best[0])), best[1:]


def threshold_of(chance: np.ndarray, labels: np.ndarray) -> float:
    """Find the lowest probability above which a share ``PRECISION`` of needs is right; above 1 where there is none."""
    order = np.argsort(-chance, axis=None, kind="stable")
    right = labels.ravel()[order]
    share = np.cumsum(right) / np.arange(1, len(right) + 1)
    enough = np.flatnonzero(share >= PRECISION)
    return float(chance.ravel()[order][enough[-1]]) if len(enough) else 1.01
