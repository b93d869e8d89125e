"""Soundness of a model: for each need, is its level right, and is its order no worse than that of plain rankers?

Tells what a need's scores may be used for, from the newest folds alone. Chance is allowed for: a count's interval is
exact and counts overlapping windows once; differences of rankers resample households. The constants are such that
models whose level is foreseen to within a quarter are refused at most once in fifty retrains (docs/real-data.md).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import gammainccinv, gammaincinv

from features.contract.community import Community
from features.language import joined_names, say, say_line, speaking
from models.dataset.split import STEP
from models.evaluation.baselines import MODEL, PLAIN, RANKERS, REQUEST_COUNT
from models.evaluation.evaluate import Validation, resampled, values_of

NEWEST = 2  # folds
LOW, HIGH = 0.8, 1.25  # predicted over observed: between them a level is right
FAR_LOW, FAR_HIGH = 0.5, 2.0  # outside them it is a fault that no community should work with
TAIL = 0.0005  # chance left outside on either side
CLEAR = 3.3  # standard errors, the same chance
MARGIN = 0.05  # of the model's average precision: a lead that a list would show
FEWEST = 20  # requests in the newest fold from which an order is judged
RANKING_ONLY, RULE, RANGE = "ranking_only", "rule", "range"
RIVALS = (REQUEST_COUNT, PLAIN)  # a list can follow the first, so it is named where both are clearly better


def soundness(
    rows: Validation,
    needs: Sequence[str],
    horizon_days: np.ndarray,
    bounded: np.ndarray,
    loose: np.ndarray,
    seed: int = 0,
) -> pd.DataFrame:
    """Judge each need with validated rows: one row a need.

    rows: validated rows.
    needs: ids, in the order of ``rows.need``.
    horizon_days: float64 [needs], length of the window.
    bounded: bool [needs], the level stopped at its bound.
    loose: bool [needs], see ``models.demand.backtest.hard_to_foresee``.
    seed: of the resampling.

    A need too small to be sure of is judged with the others where the newest fold surely missed all of them together.

    Returns need, predicted, observed, ratio, low, high (of predicted over observed), bounded, far (the ratio is surely
    outside FAR_LOW to FAR_HIGH), behind (a ranker with clearly more average precision, or empty), model, rival (their
    average precision), and use: empty, RANKING_ONLY (the level is wrong), RULE (the order is worse than the rival's) or
    RANGE (the level is right on the whole, but missed by much in single windows).
    """
    newest = rows.take(rows.fold >= len(rows.folds) - NEWEST)
    weights = resampled(int(rows.household.max()) + 1 if len(rows) else 0, seed=seed)
    repeats = np.maximum(horizon_days / STEP, 1.0)
    last = newest.take(newest.fold == len(rows.folds) - 1)
    asked = last.need[last.label > 0]
    whole = _level(last, float(repeats[asked].mean()) if len(asked) else 1.0)
    judged = []
    for index, need in enumerate(needs):
        of_need = newest.take(np.flatnonzero(newest.need == index))
        if len(of_need):
            level = _level(of_need, repeats[index])
            wrong = _wrong(level) or bounded[index] or (_wrong(whole) and _missed_alike(level, whole))
            # the order of one fold only: the blend of an older one was chosen from less than today's
            behind, ours, theirs = _behind(of_need.take(of_need.fold == of_need.fold.max()), weights)
            use = RULE if behind else RANKING_ONLY if wrong else RANGE if loose[index] else ""
            order = {"behind": behind, "model": ours, "rival": theirs}
            judged.append({"need": need, **level, "bounded": bool(bounded[index]), **order, "use": use})
    columns = ["need", "predicted", "observed", "ratio", "low", "high", "bounded", "far", "behind"]
    return pd.DataFrame(judged, columns=[*columns, "model", "rival", "use"])


def _level(rows: Validation, repeats: float) -> dict[str, Any]:
    """Compare what was predicted with what was observed: the columns predicted to high, and far, of ``soundness``.

    repeats: as in ``ratio_interval``.
    """
    predicted, observed = float(rows.scores[MODEL].sum()), float(rows.label.sum())
    low, high = ratio_interval(predicted, observed, repeats)
    return {
        "predicted": predicted,
        "observed": observed,
        "ratio": predicted / observed if observed else np.inf,
        "low": low,
        "high": high,
        "far": low > FAR_HIGH or high < FAR_LOW,
    }


def _wrong(level: Mapping[str, Any]) -> bool:
    """Tell whether a level is surely too high or too low."""
    return bool(level["low"] > HIGH or level["high"] < LOW)


def _missed_alike(level: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    """Tell whether a need was missed to the same side as all needs together.

    What moves all of them, such as a channel that stopped, shows in their sum before it is sure in any of them.
    """
    return bool(level["ratio"] > HIGH if whole["low"] > HIGH else level["ratio"] < LOW)


def ratio_interval(predicted: float, observed: float, repeats: float) -> tuple[float, float]:
    """Compute the ends of predicted over observed from the exact interval of a Poisson count (Garwood 1936).

    predicted, observed: sums over rows, 0 or more.
    repeats: how many overlapping windows count the same request, 1 or more; the evidence is that of one of them.
    """
    count = observed / repeats
    least = float(gammaincinv(count, TAIL)) if count > 0 else 0.0
    most = float(gammainccinv(count + 1, TAIL))
    expected = predicted / repeats
    return expected / most, expected / least if least > 0 else np.inf


def _behind(rows: Validation, weights: np.ndarray) -> tuple[str, float, float]:
    """Return the first rival whose average precision is clearly above the model's, or "", and the two values."""
    if rows.label.sum() < FEWEST:
        return "", np.nan, np.nan
    ours = values_of(rows, rows.scores[MODEL], 1, False, weights)
    value = ours.value["average_precision"]
    for rival in RIVALS:
        theirs = values_of(rows, rows.scores[rival], 1, False, weights)
        more = theirs.value["average_precision"] - value
        again = theirs.replicates["average_precision"] - ours.replicates["average_precision"]
        clear = max(CLEAR * float(np.std(again)), MARGIN * value)
        if more > clear:
            return rival, value, theirs.value["average_precision"]
    return "", value, np.nan


def soundness_lines(table: pd.DataFrame | None, community: Community, only_far: bool = False) -> list[str]:
    """Describe what is wrong and what to do, a line for each need whose level or order is wrong, then one for those
    whose number is uncertain, in the language in force.

    table: what ``soundness`` returns. only_far: only for needs whose level is far off.
    """
    rows: list[Any] = [] if table is None else table.to_dict("records")
    names = {need.id: need.name.here for need in community.needs}
    wrong = [row for row in rows if (row["far"] if only_far else row["use"] in (RANKING_ONLY, RULE))]
    loose = [names.get(row["need"], row["need"]) for row in rows if row["use"] == RANGE and not only_far]
    return [*(_line(row, names.get(row["need"], row["need"])) for row in wrong), *_range_lines(loose)]


def _range_lines(names: Sequence[str]) -> list[str]:
    """Return the line on needs whose numbers are told by their range only; none without such needs."""
    listed = joined_names(names)
    return say_line(
        f"{listed}：户数说不准：过去几段时间里，实际常比预计多三分之一以上，或少四分之一以上；名单照用，"
        "定名额请看需求清单上的范围，不要只看预计户数",
        f"{listed}: the number is uncertain, as past windows were often a third above or a quarter below what was"
        " expected; use the lists as they are, but set seats by the range in the list of needs, not by the number",
    ) * bool(names)


def told_with_model(table: pd.DataFrame | None, community: Community) -> list[dict[str, str]]:
    """Return the lines on needs whose level or order is wrong in both languages (zh, en), for the model's metadata.

    Uncertain numbers are left out: the list of needs marks those of its own windows.
    """
    wrong = None if table is None else table[table["use"] != RANGE]
    with speaking("zh"):
        chinese = soundness_lines(wrong, community)
    with speaking("en"):
        english = soundness_lines(wrong, community)
    return [{"zh": zh, "en": en} for zh, en in zip(chinese, english, strict=True)]


def bound_lines(bounded: np.ndarray, community: Community) -> list[str]:
    """Return a line for each need whose level on the day scored stops at its bound.

    ``bounded``: bool [needs].
    """
    return [
        say(
            f"注意 {need.name.here}：近来每周的诉求比模型预计的差得太多，预计户数只调到允许的限度，"
            "还是不准；请核对最近的诉求是否齐全",
            f"warning, {need.name.here}: weekly requests of late are so far from the model that the day's level stops at"
            " its bound; do not trust the numbers, and check that the newest requests are complete",
        )
        for need, stopped in zip(community.needs, bounded, strict=True)
        if stopped
    ]


def _line(row: Mapping[str, Any], name: str) -> str:
    if row["use"] == RULE:
        rival = say(*RANKERS[row["behind"]])
        zh = "名单请按近一年申请次数等简单规则排，不要按模型，并请核对近来的数据，再运行 xianying retrain"
        en = "list by a rule, such as requests within a year, not by the model; check the newest data, then retrain"
        if row["behind"] == PLAIN:  # no list can follow it
            zh = "模型还没有用足这些数据；名单照用，请核对近来的数据，再运行 xianying retrain"
            en = "it has not made the most of the data; use the lists as they are, check the newest data, then retrain"
        return say(
            f"注意 {name}：最近几段验证里，“{rival}”的排序明显好于模型"
            f"（平均精确率 {row['rival']:.3f} 对 {row['model']:.3f}）；{zh}",
            f"warning, {name}: in the newest folds “{rival.lower()}” ranks clearly better than the model (average"
            f" precision {row['rival']:.3f} to {row['model']:.3f}); {en}",
        )
    many = row["ratio"] > 1
    come, foreseen = f"{row['observed']:.0f}", f"{row['predicted']:.0f}"
    if row["bounded"] and LOW <= row["ratio"] <= HIGH:
        return say(
            f"注意 {name}：照每周诉求推算的户数与模型预计的差得太多，只调到允许的限度；"
            "只能用来排先后，不要用来算户数；"
            "请核对住户 valid_from 和诉求时间是否齐全，再运行 xianying retrain",
            f"warning, {name}: the level from weekly counts is so far from the model's that it stops at its bound; use"
            " the scores to rank only, not to count; check that valid_from of households and the times of requests are"
            " complete, then retrain",
        )
    which = say("偏多" if many else "偏少", "too many" if many else "too few")
    return say(
        f"注意 {name}：最近几段验证预计 {foreseen} 户次、实际 {come} 户次，预计{which}，不是偶然；"
        "只能用来排先后，不要用来算户数、定名额；"
        "请核对这项诉求近来有没有漏登、改名或停办，再运行 xianying retrain",
        f"warning, {name}: in the newest folds {foreseen} were predicted and {come} came, {which} beyond chance; use"
        " the scores to rank only, not to count or to set seats; check whether requests for it were left out, renamed or"
        " ended lately, then retrain",
    )
