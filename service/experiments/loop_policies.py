"""Who decides which households are visited in the closed loop: the product, and what it is measured against."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from features.point_in_time.cohort import cohort
from features.point_in_time.records import Known, date_of
from features.point_in_time.town_summary import YEAR, asked

PRODUCT, UNCORRECTED, TWIN = "product", "uncorrected", "twin"
FREQUENCY, RANDOM, ORACLE = "frequency", "random", "oracle"
POLICIES = (PRODUCT, UNCORRECTED, FREQUENCY, RANDOM, ORACLE)
MODELLED = (PRODUCT, UNCORRECTED, TWIN)  # those that train models
TITLES: Mapping[str, tuple[str, str]] = {
    PRODUCT: ("本产品", "this product"),
    UNCORRECTED: ("同一模型，不做回路校正", "the same model without the correction"),
    FREQUENCY: ("近一年申请次数", "requests in the past year"),
    RANDOM: ("随机", "random"),
    ORACLE: ("知道真相", "the truth"),
    TWIN: ("同一模型，名单不走访", "the same model, its lists not visited"),
}
TOTAL, TIE = 1e-3, 1e-6  # what a request for another need, and chance, count beside a request for the need


def rule_scores(policy: str, known: Known, truth: Callable[[], np.ndarray], seed: int) -> pd.DataFrame:
    """Scores of a policy that needs no model, with the columns that ``service.planning.planner.plan`` reads.

    ``truth`` gives the chance [households, needs] that a visit finds the need, for the oracle. The planner
    multiplies by severity, which the simple rules do not know; they are divided by it.
    """
    rows = cohort(known)
    severity = np.array([one.severity for one in known.community.needs])[rows.need]
    if policy == ORACLE:
        value = truth()[rows.household, rows.need].astype(np.float64)
    elif policy == FREQUENCY:
        count = asked(known).count(0, YEAR)
        chance = _drawn(known, seed)[rows.household]
        total = count.sum(axis=1)[rows.household]
        value = (count[rows.household, rows.need] + TOTAL * total + TIE * chance) / severity
    elif policy == RANDOM:
        among_needs = np.random.default_rng([seed, known.as_of, 1]).random(len(rows))
        value = (_drawn(known, seed)[rows.household] + TOTAL * among_needs) / severity
    else:
        raise ValueError(policy)
    return pd.DataFrame(
        {
            "household_id": known.records.household_ids[rows.household],
            "need": np.array([one.id for one in known.community.needs], dtype=object)[rows.need],
            "as_of": date_of(known.as_of),
            "p_need": value,
            "model_version": policy,
        }
    )


def _drawn(known: Known, seed: int) -> np.ndarray:
    """float64 per household: a number between 0 and 1, another one every week."""
    return np.random.default_rng([seed, known.as_of]).random(known.household_count)
