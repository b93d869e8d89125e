"""Start of a community with too short a history: a neighbour's model, with the community's own level of each need.

What makes a household likely to ask, and when in the year, is much the same in the next community; how often people ask
is not. So the order comes from a neighbour's model, the season from the mean of all neighbours, and the level from the
community's own requests as far as there are any (``models.estimators.seasonal_level``). Of several neighbours the one is
taken whose order loses least on what was asked here since.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit

from features.alphabet import shown
from features.blocks.build import Features
from features.language import UserError, say, say_line
from features.point_in_time.labels import label_end, labels
from features.point_in_time.records import Known, Records, known_before
from features.units import WEEK
from models.dataset.split import complete
from models.estimators.calibrate import ANY_SHIFT, Calibration, shift_to
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
class Borrowed:
    """A borrowed model, lines that tell where it comes from, and each neighbour's loss (NaN: nothing to try it on)."""

    model: NeedModel
    notes: list[str]
    losses: list[tuple[str, float]]


def borrow(records: Records, as_of: int, neighbours: Sequence[Neighbour]) -> Borrowed:
    """Make a model for a community from those of its neighbours.

    records: all records of the community.
    as_of: the day; only what was known before it is used.
    neighbours: at least one; those with other needs, in another order or with other windows are named and left out.

    Returns the neighbour's model whose order loses least here, with this community's level, the neighbours' season, and
    without probabilities that belong to the neighbour's households.
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
    losses = [(neighbour, _loss(records, known, neighbour.model)) for neighbour in usable]
    chosen, _ = min(losses, key=lambda tried: np.nan_to_num(tried[1], nan=np.inf))
    season = joined_season([season for lender in usable if (season := lender.model.season) is not None])
    model = _with_own_level(records, known, replace(chosen.model, lent_season=season), base)
    origin = {"name": chosen.name, "version": chosen.version}
    lines = _origin_lines(chosen.name)
    silence = {language: shown(text) for language, text in chosen.model.metadata.get("silence", {}).items()}
    metadata = {"borrowed": origin, "unsound": [lines], "silence": silence}
    model = replace(model, metadata=base.metadata | metadata)
    tried = [(neighbour.name, loss) for neighbour, loss in losses]
    return Borrowed(model, _notes(tried, others, useless, lines), tried)


def as_retrained(borrowed: Borrowed, champion: NeedModel | None) -> Retrained:
    """Make of a borrowed model what can be registered; it replaces no champion that was trained here.

    champion: the model in force; None without one. One before any training may be replaced: it knows less than a
    neighbour does.
    """
    retrained = unvalidated(borrowed.model, borrowed.notes, {})
    if champion is None or champion.modelled.any():
        return retrained
    none = np.empty(0, dtype=np.int32)
    rows, no_p = Validation(none, none, none, none, none, {}, ()), np.empty(0)
    return replace(retrained, comparison=compare(rows, no_p, no_p, champion.schema.needs, 1))


def _gives_numbers(records: Records, known: Known, model: NeedModel) -> bool:
    """Whether a model gives a probability to each household and need of today, and its season a level."""
    features, _ = validated_features(records, known, model.schema)
    try:
        with np.errstate(all="ignore"):
            odds = model.log_odds(features)
            shift = replace(model, lent_season=model.season).shift(known, odds, features.rows.need)
    except (IndexError, ValueError):
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
    return say("、", ", ").join(neighbour.name for neighbour in neighbours)


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
        model,
        calibration=Calibration(model.calibration.slope, model.calibration.intercept + shift),
        usual_shift=np.zeros(len(share)),
        out_of_time=None,
        spread=None,
        season=None,
    )


def _loss(records: Records, known: Known, model: NeedModel) -> float:
    """Compute the mean log loss of a model's order on the newest as-of days whose labels are complete."""
    days = known.as_of - WEEK * np.arange(1, TRIED + int(max(label_end(known.community, 0)) // WEEK) + 1)
    done = complete(known, days, known.as_of)
    loss, rows = 0.0, 0
    for newest in np.flatnonzero(done.any(axis=1))[:TRIED]:
        then = known_before(records, int(days[newest]))
        if not len(then.requests.need):
            continue
        features, _ = validated_features(records, then, model.schema)
        lost, counted = _day_loss(known, features, model, done[newest])
        loss, rows = loss + lost, rows + counted
    return loss / rows if rows else float("nan")


def _day_loss(known: Known, features: Features, model: NeedModel, usable: np.ndarray) -> tuple[float, int]:
    """Sum the log loss of a day over the needs with a request, each at the level that came; also count the pairs."""
    label = labels(known, features.rows, features.as_of)
    odds, need = model.log_odds(features), features.rows.need
    loss, rows = 0.0, 0
    for index in np.flatnonzero(usable):
        of_need = need == index
        if not label[of_need].any() or label[of_need].all():
            continue
        p = expit(odds[of_need] + shift_to(odds[of_need], float(label[of_need].mean()), ANY_SHIFT))
        loss -= float(np.log(np.where(label[of_need] == 1, p, 1 - p).clip(1e-12)).sum())
        rows += int(of_need.sum())
    return loss, rows


def _origin_lines(name: str) -> dict[str, str]:
    return {
        "zh": f"模型借自{name}：先后次序按那里的经验，季节按各邻居，多少按本社区的诉求；"
        "攒够诉求后请运行 xianying retrain",
        "en": f"the model is borrowed from {name}: its order is from there, its season from all neighbours, its level"
        " from this community's requests; run xianying retrain once there are enough requests",
    }


def _notes(
    losses: list[tuple[str, float]], others: list[Neighbour], useless: list[Neighbour], lines: dict[str, Any]
) -> list[str]:
    losses_told = say("，", ", ").join(
        f"{name} {loss:.4f}" for name, loss in losses if np.isfinite(loss)
    ) or say("还没有可试的诉求，取第一个", "no request to try them on: the first is taken")
    notes = [
        say(lines["zh"], lines["en"]),
        say(
            f"各社区模型在本社区的对数损失（越小越好）：{losses_told}",
            f"log loss here (less is better): {losses_told}",
        ),
    ]
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
