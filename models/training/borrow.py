"""Start of a community with too short a history: a neighbour's model, with the community's own level of each need.

What makes a household likely to ask, and when in the year, is much the same in the next community; how often people ask
is not. So order and season come from the neighbours, and the level from the community's own requests as far as there
are any (``models.estimators.seasonal_level``). The order is the mean of the neighbours' log-odds, by their own models and
by those that they trained for a community that has only begun (``models.training.young``): each learned from few
requests, and their errors are their own. A neighbour whose order is no better than chance here is left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.metrics import roc_auc_score

from features.alphabet import shown
from features.blocks.build import Features
from features.language import UserError, joined_names, say, say_line
from features.point_in_time.labels import label_end, labels
from features.point_in_time.records import Known, Records, known_before
from features.units import WEEK
from models.dataset.split import complete
from models.estimators.boosting import lgb
from models.estimators.calibrate import Calibration
from models.estimators.seasonal_level import joined_season
from models.evaluation.compare import compare
from models.evaluation.evaluate import Validation
from models.scoring.model import NeedModel
from models.scoring.untrained import untrained
from models.training.retrain import Retrained, unvalidated
from models.training.validate import validated_features

COUNTS_WEIGHT = 0.8  # of the weekly counts against the neighbour's own level, which is that of another town
TRIED = 4  # weeks whose as-of days a neighbour is tried on, at most


@dataclass(frozen=True)
class Neighbour:
    """A community that lends its model: its name, and the model with its version."""

    name: str
    version: int
    model: NeedModel


@dataclass(frozen=True)
class Tried:
    """A neighbour, and how well its order fits here.

    ``right``: of the pairs of a household that asked for a need here and one that did not, the share in which the order
    puts the first one first (the area under the ROC curve); NaN with nothing to try it on.
    """

    neighbour: Neighbour
    right: float

    @property
    def helps(self) -> bool:
        """Whether the order is better than chance, as far as that can be seen."""
        return not self.right <= 0.5


@dataclass(frozen=True)
class Borrowed:
    """A borrowed model, lines that tell where it comes from, and the neighbours that were tried."""

    model: NeedModel
    notes: list[str]
    tried: list[Tried]


def borrow(records: Records, as_of: int, neighbours: Sequence[Neighbour]) -> Borrowed:
    """Make a model for a community from those of its neighbours.

    records: all records of the community.
    as_of: the day; only what was known before it is used.
    neighbours: at least one; those with other needs, in another order or with other windows are named and left out.

    Returns the neighbours' models as one, with this community's level, the neighbours' season, and without
    probabilities that belong to the neighbours' households. Its p_need is that of the neighbour whose order fits best.
    Raises UserError: no neighbour has the same needs and windows, and a model that holds its season and gives numbers.
    """
    known = known_before(records, as_of)
    base = untrained(known, neighbours[0].model.schema, as_of)
    alike, others = _parted(neighbours, lambda model: _fits(model, base))
    if not alike:
        raise UserError(
            "没有一个社区的 needs（顺序、lead_weeks、horizon_weeks）与本社区相同，又有本版本训练的模型，借不了",
            "no neighbour has this community's needs in the same order, with the same lead_weeks and horizon_weeks, and a"
            " model that this version trained: nothing can be borrowed",
        )
    usable, useless = _parted(alike, lambda model: _gives_numbers(records, known, model))
    if not usable:
        raise UserError(
            f"{_names(alike)}：模型算不出数，文件可能已损坏，请在那里重新运行 xianying retrain",
            f"{_names(alike)}: the model gives no numbers, perhaps damaged; run xianying retrain there again",
        )
    days = _days_to_try(records, known)
    tried = [
        Tried(neighbour, _right_order(records, known, days, _joined([neighbour.model])))
        for neighbour in usable
    ]
    tried.sort(key=lambda one: np.nan_to_num(-one.right, nan=np.inf))
    lenders = [one.neighbour for one in tried if one.helps] or [tried[0].neighbour]
    season = joined_season([season for lender in usable if (season := lender.model.season) is not None])
    joined = replace(_joined([lender.model for lender in lenders]), lent_season=season)
    model = _with_own_level(records, known, joined, base)
    lines = _origin_lines([*dict.fromkeys(lender.name for lender in lenders)])
    silence = {language: shown(text) for language, text in joined.metadata.get("silence", {}).items()}
    origin = [{"name": lender.name, "version": lender.version} for lender in lenders]
    metadata = {"borrowed": origin, "unsound": [lines], "silence": silence}
    model = replace(model, metadata=base.metadata | metadata)
    return Borrowed(model, _notes(tried, others, useless, lines), tried)


def as_retrained(borrowed: Borrowed, champion: NeedModel | None) -> Retrained:
    """Make of a borrowed model what can be registered; it replaces no champion that was trained here.

    champion: the model in force; None without one. One before any training may be replaced: it knows less than a
    neighbour does.
    """
    retrained = unvalidated(borrowed.model, borrowed.notes, {})
    if champion is None or champion.trained.any():
        return retrained
    none = np.empty(0, dtype=np.int32)
    rows, no_p = Validation(none, none, none, none, none, {}, ()), np.empty(0)
    return replace(retrained, comparison=compare(rows, no_p, no_p, champion.schema.needs, 1))


def _gives_numbers(records: Records, known: Known, model: NeedModel) -> bool:
    """Whether a model gives a probability to each household and need of today, and its season a level."""
    features, _ = validated_features(records, known, model.schema)
    try:
        with np.errstate(all="ignore"):
            odds = _joined([model]).log_odds(features)
            shift = replace(model, lent_season=model.season).shift(known, odds, features.rows.need)
    except (IndexError, ValueError, lgb.basic.LightGBMError):
        return False
    return bool(np.isfinite(odds).all() and np.isfinite(shift).all())


def _parted(
    neighbours: Sequence[Neighbour], holds: Callable[[NeedModel], bool]
) -> tuple[list[Neighbour], list[Neighbour]]:
    """Part the neighbours into those for whose model something holds, and the others."""
    parts: tuple[list[Neighbour], list[Neighbour]] = ([], [])
    for neighbour in neighbours:
        parts[not holds(neighbour.model)].append(neighbour)
    return parts


def _names(neighbours: Sequence[Neighbour]) -> str:
    return joined_names(neighbour.name for neighbour in neighbours)


def _joined(lent: Sequence[NeedModel]) -> NeedModel:
    """Make the neighbours' models, and those that they trained for a beginner, companions of the first."""
    plain = [replace(model, young=None, companions=()) for model in lent]
    young = [model.young for model in lent if model.young]
    return replace(plain[0], companions=(*plain[1:], *young))


def _fits(model: NeedModel, base: NeedModel) -> bool:
    windows = base.metadata["windows"]
    same = tuple(windows) == tuple(model.schema.needs) and model.metadata.get("windows", windows) == windows
    return same and model.season is not None


def _with_own_level(records: Records, known: Known, model: NeedModel, base: NeedModel) -> NeedModel:
    """Move each need's probabilities to the level of the coming weeks, which later weeks' counts move on."""
    features, share = validated_features(records, known, model.schema)
    model = replace(model, rates=base.rates, level_weight=np.full(len(share), COUNTS_WEIGHT))
    shift = model.shift(known, model.log_odds(features), features.rows.need, share)
    return replace(
        _moved(model, shift),
        companions=tuple(_moved(companion, shift) for companion in model.companions),
        usual_shift=np.zeros(len(share)),
    )


def _moved(model: NeedModel, shift: np.ndarray) -> NeedModel:
    """Move each need's log-odds by ``shift`` [needs]; drop what belongs to the model's own town."""
    calibration = Calibration(model.calibration.slope, model.calibration.intercept + shift)
    return replace(model, calibration=calibration, out_of_time=None, spread=None, season=None)


def _days_to_try(records: Records, known: Known) -> list[tuple[Known, np.ndarray]]:
    """Return what was known on the newest as-of days whose labels are complete, and of which needs: bool [needs]."""
    days = known.as_of - WEEK * np.arange(1, TRIED + int(max(label_end(known.community, 0)) // WEEK) + 1)
    done = complete(known, days, known.as_of)
    newest = np.flatnonzero(done.any(axis=1))[:TRIED]
    tried = [(known_before(records, int(days[at])), done[at]) for at in newest]
    return [(then, usable) for then, usable in tried if len(then.requests.need)]


def _right_order(
    records: Records, known: Known, days: list[tuple[Known, np.ndarray]], model: NeedModel
) -> float:
    """Compute ``Tried.right`` on some days; ``days``: what ``_days_to_try`` returns."""
    right, asked = 0.0, 0
    for then, usable in days:
        features, _ = validated_features(records, then, model.schema)
        right_that_day, asked_that_day = _right_on_day(known, features, model, usable)
        right, asked = right + right_that_day, asked + asked_that_day
    return right / asked if asked else float("nan")


def _right_on_day(
    known: Known, features: Features, model: NeedModel, usable: np.ndarray
) -> tuple[float, int]:
    """Sum the shares in the right order over the households that asked, need by need; also count these."""
    label = labels(known, features.rows, features.as_of)
    odds, need = model.log_odds(features), features.rows.need
    right, asked = 0.0, 0
    for index in np.flatnonzero(usable):
        of_need = need == index
        asking = int(label[of_need].sum())
        if 0 < asking < of_need.sum():
            right += asking * float(roc_auc_score(label[of_need], odds[of_need]))
            asked += asking
    return right, asked


def _origin_lines(names: Sequence[str]) -> dict[str, str]:
    return {
        "zh": f"模型借自{'、'.join(names)}：先后次序和季节按那里的经验，多少按本社区的诉求；"
        "攒够诉求后请运行 xianying retrain",
        "en": f"the model is borrowed from {', '.join(names)}: order and season are from there, the level is from this"
        " community's requests; run xianying retrain once there are enough requests",
    }


def _notes(
    tried: list[Tried], others: list[Neighbour], useless: list[Neighbour], lines: dict[str, str]
) -> list[str]:
    fits = say("，", ", ").join(
        f"{one.neighbour.name} {one.right:.0%}" for one in tried if np.isfinite(one.right)
    ) or say("还没有可试的诉求", "no request to try them on yet")
    notes = [
        say(lines["zh"], lines["en"]),
        say(
            f"各社区的次序合不合本社区（提过诉求的一户排在没提过的一户前面的比例，全凭运气是 50%）：{fits}",
            "how well each order fits here (share of pairs in which a household that asked stands before one that did"
            f" not, 50% by chance): {fits}",
        ),
    ]
    if worse := [one.neighbour for one in tried if not one.helps]:
        names = _names(worse)
        notes += say_line(
            f"{names}：次序在本社区不比碰运气强，未用",
            f"{names}: the order is no better than chance here, not used",
        )
    if useless:
        names = _names(useless)
        notes.append(say(f"{names}：模型算不出数，未用", f"{names}: the model gives no numbers, not used"))
    if others:
        names = _names(others)
        notes += say_line(
            f"{names}：needs 或时间窗不同，或模型是旧版本训练的，未用",
            f"{names}: other needs or windows, or a model of an earlier version; not used",
        )
    return notes
