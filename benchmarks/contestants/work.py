"""The work that every contestant does: cohort, label, features, splits, fits, evaluation and stored predictions.

Runs on the Python and the libraries of every contestant's environment, so it uses nothing of the project.

* Cohort of an as-of date: households known before it. Label: asked for the need within ``HORIZON`` days from it.
* Features: requests recorded in the last 28, 91 and 364 days, in all and of each need; ``FRESH`` less the whole
  days since the last of them, 0 without; attributes: the largest value known before the date (of categories: of an
  indicator a value), 0 where unknown.
* 39 as-of dates 28 days apart; three splits, each trained on all earlier dates and tested on the six next ones;
  three settings of LightGBM a split.
"""

import json
import os
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

WINDOWS = (28, 91, 364)  # days
DATES, STEP, HORIZON = 39, 28, 28  # days
TRAINED = (9, 21, 33)  # the first as-of dates, as many as each split trains on
TESTED = 6  # the as-of dates that follow
FRESH = 366  # days
NUM_LEAVES = (7, 15, 31)
TREES = 100
SETTINGS = {"learning_rate": 0.1, "min_child_samples": 100, "verbosity": -1}
THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))
SHARES = (0.01, 0.05, 0.1)  # of the rows tested, from the top
COUNTS = (100, 500)
CHECKED = (0, 19, 38)  # as-of dates whose features are written for comparison
CATEGORIES = ("household_type", "employment", "income_band", "education")
NUMBERS = (
    *("lives_alone", "dual_earner", "disability", "rents", "chronic_illness", "party_member"),
    *("children", "elders", "head_birth_year", "building_year", "floor_area"),
)


class Stopwatch:
    """Seconds of each stage, wall and CPU, from the start of the process on; ``others`` adds CPU of other processes."""

    def __init__(self, others=lambda: 0.0):
        self.others = others
        self.stages: dict[str, dict[str, float]] = {}
        self.wall, self.cpu = _started(), 0.0

    def done(self, stage):
        """Ends a stage: what passed since the end of the one before it."""
        wall, cpu = time.time(), sum(os.times()[:4]) + self.others()
        self.stages[stage] = {"wall_s": wall - self.wall, "cpu_s": cpu - self.cpu}
        self.wall, self.cpu = wall, cpu

    def save(self, output):
        """Writes ``stages.json``."""
        (output / "stages.json").write_text(json.dumps(self.stages))


def _started():
    import psutil

    return psutil.Process().create_time()


def read_work(data):
    """The as-of dates (list of date), the number of the need that is predicted, the number of needs, and the
    number of values of each category."""
    told = json.loads((Path(data) / "work.json").read_text())
    first = date.fromisoformat(told["first"])
    dates = [first + timedelta(days=STEP * index) for index in range(DATES)]
    return dates, told["need"], told["needs"], told["values"]


def feature_names(needs, values):
    """The columns of every contestant's matrix, in their order."""
    names = []
    for window in WINDOWS:
        names += [
            f"requests_{window}",
            *(f"need{need}_{window}" for need in range(needs)),
            f"recency_{window}",
        ]
    names += [f"{column}_{code}" for column in CATEGORIES for code in range(values[column])]
    return [*names, *NUMBERS]


def splits(rows_by_date):
    """(train, test) slices of rows that are sorted by as-of date."""
    ends = np.append(0, np.cumsum(rows_by_date))
    return [(slice(0, ends[count]), slice(ends[count], ends[count + TESTED])) for count in TRAINED]


def evaluation(label, score):
    """Precision and recall at the top, area under the ROC curve, average precision."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    order = np.argsort(-score, kind="stable")
    found = np.cumsum(label[order])
    takes = {f"{share:.0%}": int(share * len(label)) for share in SHARES} | {
        str(count): count for count in COUNTS
    }
    result = {"roc_auc": float(roc_auc_score(label, score))}
    result["average_precision"] = float(average_precision_score(label, score))
    for name, take in takes.items():
        result[f"precision@{name}"] = float(found[take - 1] / take)
        result[f"recall@{name}"] = float(found[take - 1] / max(found[-1], 1))
    return result


def stored(model, household, as_of, label, score):
    """Predictions of one model: a row a household and date, with its rank from the top."""
    rank = np.empty(len(score), dtype=np.int32)
    rank[np.argsort(-score, kind="stable")] = np.arange(1, len(score) + 1)
    columns = {"household": household, "as_of": as_of, "label": label, "score": score, "rank": rank}
    return pd.DataFrame(columns).assign(model=np.int16(model))


def save_predictions(output, parts, found):
    """Writes ``predictions.parquet`` and ``evaluation.json``."""
    pd.concat(parts, ignore_index=True).to_parquet(output / "predictions.parquet", index=False)
    (output / "evaluation.json").write_text(json.dumps(found))
    (output / "stored.json").write_text(json.dumps(sum(map(len, parts))))


def fit_all(output, matrix, label, household, as_of, rows_by_date):
    """The nine fits as one writes them with LightGBM's scikit-learn interface; tested and stored."""
    from lightgbm import LGBMClassifier

    parts, found = [], []
    for train, test in splits(rows_by_date):
        for leaves in NUM_LEAVES:
            model = LGBMClassifier(
                n_estimators=TREES, num_leaves=leaves, random_state=0, n_jobs=THREADS, **SETTINGS
            )
            model.fit(matrix[train], label[train])
            score = model.predict_proba(matrix[test])[:, 1]
            found.append(evaluation(label[test], score))
            parts.append(stored(len(parts), household[test], as_of[test], label[test], score))
    save_predictions(output, parts, found)


def save_checked(output, matrix, names, label, household, as_of, dates):
    """Writes the features and labels of the dates to compare, ``checked.parquet``."""
    for_check = np.isin(as_of, np.array([dates[index] for index in CHECKED], dtype="datetime64[s]"))
    frame = pd.DataFrame(np.asarray(matrix[for_check], dtype=np.float32), columns=names)
    frame.insert(0, "label", label[for_check])
    frame.insert(0, "as_of", as_of[for_check])
    frame.insert(0, "household", household[for_check])
    frame.to_parquet(output / "checked.parquet", index=False)
