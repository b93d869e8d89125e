"""Score households under the policies of the closed loop: the product, and what it is compared with."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from features.point_in_time.cohort import cohort
from features.point_in_time.records import Known, date_of
from features.point_in_time.town_summary import asked
from features.units import YEAR_OF_WEEKS

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
    """Score the cohort by a policy that needs no model.

    The planner multiplies scores by severity. The simple rules do not know severity, so their scores are divided by it.

    policy: ``ORACLE``, ``FREQUENCY`` or ``RANDOM``.
    known: what was known on the as-of day.
    truth: computes the probability that a visit finds the need, float [households, needs]; called for the oracle
        only.
    seed: of the run; draws differ by seed and as-of day.

    Returns columns household_id, need, as_of, p_need and model_version, as ``service.planning.planner.plan`` reads
    them.
    """
    rows = cohort(known)
    severity = np.array([need.severity for need in known.community.needs])[rows.need]
    if policy == ORACLE:
        value = truth()[rows.household, rows.need].astype(np.float64)
    elif policy == FREQUENCY:
        count = asked(known).count(0, YEAR_OF_WEEKS)
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
            "household_id": known.household_ids[rows.household],
            "need": np.array([need.id for need in known.community.needs], dtype=object)[rows.need],
            "as_of": date_of(known.as_of),
            "p_need": value,
            "model_version": policy,
        }
    )


def _drawn(known: Known, seed: int) -> np.ndarray:
    """Draw a number in [0, 1) for each household, anew every week: float64 [households]."""
    return np.random.default_rng([seed, known.as_of]).random(known.household_count)
