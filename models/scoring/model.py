"""Need model: features to calibrated probabilities for all needs, stored as plain files."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from features.blocks.build import Features, catalogue
from features.language import say
from features.point_in_time.records import Known
from features.point_in_time.schema import Schema
from models.dataset.out_of_time import OutOfTime
from models.demand.intervals import Spread
from models.estimators.boosting import lgb
from models.estimators.calibrate import Calibration, level_shift
from models.estimators.logistic import Logistic, Transform
from models.estimators.offset import EXPECTED, Offset
from models.estimators.saved import check_numbers, read_arrays, read_trees
from models.estimators.seasonal_level import Ahead, ahead
from models.estimators.train import MEMBERS, Members
from models.underreporting.p_need import NeedFromVisits

LEAST, MOST = 1e-6, 1 - 1e-6  # probabilities are kept within
FEWEST_REQUESTS = 50  # over all needs, from which households can be told apart
YOUNG, COMPANION = "young", "companion_{}"  # directories of the models that a model holds
FACTORS = ("similar_ratio", "area_ratio", "own_ratio")  # features whose product the requests expected follow


@dataclass(frozen=True)
class NeedModel:
    """One model for all needs of a community.

    Needs that were not modelled (``modelled`` false) are scored by the requests expected of the household
    (``features.blocks.expected``), and by ``rates`` [needs], smoothed shares of pairs with a request, as long as nobody
    asked. ``level_weight`` is how much the town's weekly counts set the level; at 0 they do not.
    """

    schema: Schema
    feature_names: list[str]
    members: Members | None
    weights: np.ndarray  # float64 [needs, members], rows sum to 1
    calibration: Calibration
    modelled: np.ndarray  # bool [needs]
    rates: np.ndarray  # float64 [needs]
    per_request: np.ndarray  # float64 [needs]: households that ask at all per request expected in a window
    level_weight: np.ndarray  # float64 [needs]
    usual_shift: np.ndarray  # float64 [needs]: shift on the day of training, for rows without a town
    risk_calibration: tuple[float, float]  # slope and intercept of the combined risk's log-odds
    metadata: dict[str, Any] = field(default_factory=dict)
    visited: NeedFromVisits | None = None  # None: p_need is p_request
    out_of_time: OutOfTime | None = None
    spread: Spread | None = None  # of demand; None: never backtested
    # float64 [needs, ...], of ``seasonal_level.season_of``: this town's, for others; and what others lent it
    season: np.ndarray | None = None
    lent_season: np.ndarray | None = None
    # for a community that has only begun to record, see ``models.training.young``
    young: "NeedModel | None" = None
    # models of other communities: the log-odds are the mean of theirs and its own
    companions: tuple["NeedModel", ...] = ()

    @property
    def trained(self) -> np.ndarray:
        """Tell which needs this model or a companion models: bool [needs]."""
        return np.any([self.modelled, *(model.modelled for model in self.companions)], axis=0)

    def log_odds(self, features: Features) -> np.ndarray:
        """Compute calibrated log-odds before the shift of an as-of day: float64 [rows]."""
        own = self._own_log_odds(features)
        others = [model.log_odds(model.reading(features)) for model in self.companions]
        return self._mean([own, *others], features.rows.need) if others else own

    def reading(self, features: Features) -> Features:
        """Return the features as this model knows them, by their names; NaN where the community has no such feature."""
        if features.names == self.feature_names:
            return features
        matrix = under_names(features.matrix, features.names, self.feature_names)
        return replace(features, matrix=matrix, names=self.feature_names)

    def _mean(self, parts: list[np.ndarray], need: np.ndarray) -> np.ndarray:
        """Average what this model and its companions say: float64 [rows, ...], each need's by those that model it.

        parts: [rows, ...] of each. need: int [rows]. Where none models a need, this model's own holds.
        """
        counted = np.array([self.modelled, *(model.modelled for model in self.companions)])
        counted[0] |= ~counted.any(axis=0)
        return np.einsum("mr...,mr->r...", np.array(parts), (counted / counted.sum(axis=0))[:, need])

    def _own_log_odds(self, features: Features) -> np.ndarray:
        need = features.rows.need
        by_members = self.modelled[need] & (self.members is not None)
        rows, others = np.flatnonzero(by_members), np.flatnonzero(~by_members)
        result = np.empty(len(need))
        expected = features.matrix[others, self.feature_names.index(EXPECTED)]
        result[others] = self._untrained_log_odds(expected, need[others])
        if self.members and len(rows):
            matrix = features.matrix if len(rows) == len(need) else features.matrix[rows]
            odds = self.members.log_odds(matrix, need[rows], used=self.weights != 0)
            score = np.einsum("ij,ij->i", odds, self.weights[need[rows]])
            result[rows] = self.calibration.log_odds(score, need[rows])
        return result

    def _untrained_log_odds(self, expected: np.ndarray, need: np.ndarray) -> np.ndarray:
        """Compute log-odds of the requests expected in the window, which needs no training: float64 [rows].

        Of a need that nobody has asked for yet, nothing is expected; its smoothed share stands in.
        """
        known = np.nan_to_num(expected) > 0
        p = np.where(known, -np.expm1(-np.where(known, expected, 0.0)), self.rates[need])
        return logit(np.clip(p, LEAST, MOST))

    def _untrained_contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Compute the logarithms of the factors of the requests expected: float64 [rows, features], 0 elsewhere."""
        total = np.zeros(matrix.shape)
        for column in map(self.feature_names.index, FACTORS):
            total[:, column] = np.log(np.where(matrix[:, column] > 0, matrix[:, column], 1.0))
        return total

    @property
    def tells_apart(self) -> bool:
        """Whether requests are enough to tell households apart; else visits had better go round in turn."""
        return bool(self.trained.any()) or self.metadata.get("requests", 0) >= FEWEST_REQUESTS

    def shift(
        self, known: Known, log_odds: np.ndarray, need: np.ndarray, share: np.ndarray | float = 1.0
    ) -> np.ndarray:
        """Compute the shift to add to each need's log-odds on an as-of day: float64 [needs].

        known: what is known at the as-of day.
        log_odds, need: [pairs] of a whole cohort, or of a share of it.
        share: float [needs] in [0, 1], share of each need's cohort that the pairs are.
        """
        return self.shift_to(ahead(known, self.lent_season), log_odds, need, share)

    def shift_to(
        self, level: Ahead, log_odds: np.ndarray, need: np.ndarray, share: np.ndarray | float = 1.0
    ) -> np.ndarray:
        """Compute ``shift`` from the requests that the town's weekly counts lead to expect.

        level: what ``models.estimators.seasonal_level.ahead`` returns; other parameters as of ``shift``.
        """
        expected = level.requests * self.per_request * share
        return level_shift(expected, log_odds, need, self.level_weight * self.trained, level.changed)

    def predict(self, features: Features, shift: np.ndarray | None = None) -> np.ndarray:
        """Compute p_request: float64 [rows]. ``shift``: float64 [needs] of the as-of day (default: of training)."""
        shift = self.usual_shift if shift is None else shift
        return probability(self.log_odds(features), shift[features.rows.need])

    def p_need(self, features: Features, known: Known, log_odds: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Compute the probability that a visit finds the need: float64 [pairs]; p_request without random visits to
        learn from.

        features: of a whole cohort. known: what is known at the as-of day.
        log_odds: float64 [pairs], before the shift. p: float64 [pairs], p_request.
        """
        return self.visited.predict(features, known, log_odds) if self.visited else p

    def silence(self) -> str:
        """Return one line that says whether p_need is corrected for needs without a request."""
        texts = self.metadata.get("silence", {})
        return say(
            texts.get("zh", "分数说的是会不会来申请，没有纠正“不开口”的家庭：抽签走访的结果还不够"),
            texts.get("en", "p_need equals p_request, silence is not corrected"),
        )

    def contributions(self, features: Features, positions: np.ndarray) -> np.ndarray:
        """Compute how much each feature raised the score, in log-odds: float64 [positions, features].

        By TreeSHAP, and in the log-linear member by coefficient times distance from the mean; in needs that were not
        modelled by the factors of the requests expected.
        """
        own = self._own_contributions(features, positions)
        if not self.companions:
            return own
        rows = features.rows.take(positions)
        asked = replace(features, matrix=features.matrix[positions], rows=rows)
        others = [
            under_names(
                model.contributions(model.reading(asked), np.arange(len(rows))),
                model.feature_names,
                self.feature_names,
                missing=0.0,
            )
            for model in self.companions
        ]
        return self._mean([own, *others], rows.need)

    def _own_contributions(self, features: Features, positions: np.ndarray) -> np.ndarray:
        matrix, need = features.matrix[positions], features.rows.need[positions]
        total, others = np.zeros(matrix.shape), ~self.modelled[need]
        if not self.members or not len(positions):
            total[others] = self._untrained_contributions(matrix[others])
            return total
        weight = self.weights[need]
        members = self.members
        shared = matrix[:, : members.columns]
        from_linear = members.logistic.contributions(shared, need)
        trees = [np.asarray(booster.predict(shared, pred_contrib=True))[:, :-1] for booster in members.pooled]
        from_pooled = np.mean(trees, axis=0) if trees else np.zeros(shared.shape)
        begin = members.offset.log_odds(matrix, need) - members.offset.usual[need]
        from_pooled[:, members.offset.column] += begin
        columns = slice(None, members.columns)
        as_pooled = weight[:, 1] + weight[:, 2] * ~np.isin(need, [*members.plain])
        total[:, columns] += weight[:, :1] * from_linear + as_pooled[:, None] * from_pooled
        for index, booster in members.plain.items():
            rows = np.flatnonzero((need == index) & (weight[:, 2] != 0))
            if len(rows):
                plain = np.asarray(booster.predict(matrix[rows], pred_contrib=True))[:, :-1]
                total[rows] += weight[rows, 2:] * plain
        total *= self.calibration.slope[need][:, None]
        total[others] = self._untrained_contributions(matrix[others])
        return total

    def risk(self, p: np.ndarray, household: np.ndarray, severe: np.ndarray, count: int) -> np.ndarray:
        """Compute each household's calibrated probability of at least one severe request: float64 [count].

        p: float64 [rows], p_request. household: int [rows], below ``count``.
        severe: bool [rows], the need has severity 3. A household without such a row gets 0.
        """
        combined = combined_risk(p, household, severe, count)
        slope, intercept = self.risk_calibration
        risk = expit(intercept + slope * logit(np.clip(combined, LEAST, MOST)))
        return np.where(combined > 0, risk, 0.0)

    def save(self, directory: Path) -> None:
        """Write JSON, npz and LightGBM's text files into a directory, which is made if missing."""
        directory.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, np.ndarray] = {
            "weights": self.weights,
            "slope": self.calibration.slope,
            "intercept": self.calibration.intercept,
            "modelled": self.modelled,
            "rates": self.rates,
            "per_request": self.per_request,
            "usual_shift": self.usual_shift,
            "level_weight": np.broadcast_to(self.level_weight, self.rates.shape),
        }
        seasons = {"season": self.season, "lent_season": self.lent_season}
        arrays |= {name: season for name, season in seasons.items() if season is not None}
        if self.members:
            logistic = self.members.logistic
            arrays |= {f"transform_{name}": value for name, value in vars(logistic.transform).items()}
            arrays |= {
                "coefficients": logistic.coefficients,
                "logistic_intercept": logistic.intercept,
                "ground_column": np.array(self.members.offset.column),
                "ground_shift": self.members.offset.shift,
                "ground_usual": self.members.offset.usual,
            }
            for index, booster in enumerate(self.members.pooled):
                _write_trees(directory / f"pooled_{index}.txt", booster)
            for need, booster in self.members.plain.items():
                _write_trees(directory / f"plain_{need}.txt", booster)
        np.savez(directory / "arrays.npz", **arrays)  # type: ignore[arg-type]
        content = {
            "schema": self.schema.to_json(),
            "feature_names": self.feature_names,
            "risk_calibration": list(self.risk_calibration),
            "metadata": self.metadata,
        }
        if self.visited:
            self.visited.save(directory)
        if self.spread:
            self.spread.save(directory)
        for name, model in self._others():
            model.save(directory / name)
        (directory / "model.json").write_text(
            json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8"
        )

    @property
    def outdated(self) -> bool:
        """Whether it, or a model that it holds, has other features than this version of the program makes."""
        made = [feature.name for feature in catalogue(self.schema)]
        return self.feature_names != made or any(model.outdated for _, model in self._others())

    def _others(self) -> Iterator[tuple[str, "NeedModel"]]:
        """Yield the models that this one holds, with the names of their directories."""
        yield from ((COMPANION.format(number), model) for number, model in enumerate(self.companions))
        if self.young:
            yield YOUNG, self.young

    @staticmethod
    def load(directory: Path) -> "NeedModel":
        """Read the model that ``save`` wrote.

        Raises ValueError if its members are those of an earlier version, or its numbers are not those of a model.
        """
        content = json.loads((directory / "model.json").read_text(encoding="utf-8"))
        arrays = read_arrays(directory / "arrays.npz")
        check_numbers(arrays)
        if arrays["weights"].shape[1] != len(MEMBERS):
            raise ValueError(f"{directory}: other members than {', '.join(MEMBERS)}")
        model = NeedModel(
            schema=Schema.from_json(content["schema"]),
            feature_names=content["feature_names"],
            members=_read_members(directory, arrays),
            weights=arrays["weights"],
            calibration=Calibration(arrays["slope"], arrays["intercept"]),
            modelled=arrays["modelled"],
            rates=arrays["rates"],
            per_request=arrays["per_request"],
            level_weight=arrays["level_weight"],
            usual_shift=arrays["usual_shift"],
            risk_calibration=tuple(content["risk_calibration"]),
            metadata=content["metadata"],
            visited=NeedFromVisits.load(directory),
            spread=Spread.load(directory),
            season=arrays.get("season"),
            lent_season=arrays.get("lent_season"),
            young=NeedModel.load(directory / YOUNG) if (directory / YOUNG).is_dir() else None,
            companions=tuple(map(NeedModel.load, sorted(directory.glob(COMPANION.format("*"))))),
        )
        _check(model)
        return model


def under_names(
    values: np.ndarray, names: list[str], wanted: list[str], missing: float = np.nan
) -> np.ndarray:
    """Put columns under other names: [rows, wanted] of ``values`` [rows, names]; ``missing`` where there is none."""
    place = pd.Index(names).get_indexer(pd.Index(wanted))
    return np.where(place >= 0, values[:, place], missing)


def _write_trees(path: Path, booster: lgb.Booster) -> None:
    path.write_text(booster.model_to_string(), encoding="utf-8")


def _read_members(directory: Path, arrays: Mapping[str, np.ndarray]) -> Members | None:
    if "coefficients" not in arrays:
        return None
    prefix = "transform_"
    transform = Transform(
        **{key.removeprefix(prefix): arrays[key] for key in arrays if key.startswith(prefix)}
    )
    logistic = Logistic(transform, arrays["logistic_intercept"], arrays["coefficients"])
    pooled = sorted(directory.glob("pooled_*.txt"))
    plain = sorted(directory.glob("plain_*.txt"))
    return Members(
        logistic,
        Offset(int(arrays["ground_column"]), arrays["ground_shift"], arrays["ground_usual"]),
        tuple(read_trees(path) for path in pooled),
        {int(path.stem.removeprefix("plain_")): read_trees(path) for path in plain},
    )


def _check(model: NeedModel) -> None:
    """Raise ValueError where arrays have other shapes than the needs, shares are none, or texts are no texts."""
    needs = len(model.schema.needs)
    calibration = model.calibration
    of_needs = (model.rates, model.per_request, model.level_weight, model.usual_shift, calibration.slope)
    for array in (*of_needs, calibration.intercept, model.modelled):
        _require(array.shape == (needs,) and array.dtype.kind in "fiub", "an array of other needs")
    _require(model.modelled.dtype == bool, "modelled")
    _require(((model.rates >= 0) & (model.rates <= 1)).all(), "rates are no shares")
    _require(model.weights.shape[0] == needs and (model.weights >= 0).all(), "weights")
    seasons = [season for season in (model.season, model.lent_season) if season is not None]
    _require(all(season.ndim == 2 and len(season) == needs for season in seasons), "seasons of other needs")
    _require(len(model.risk_calibration) == 2 and np.isfinite(model.risk_calibration).all(), "risk")
    if model.members:
        rows = len(model.members.logistic.coefficients)
        _require(rows == needs == len(model.members.logistic.intercept), "coefficients of other needs")
        _require(0 <= model.members.offset.column < len(model.feature_names), "an offset of another feature")
        _require(all(0 <= need < needs for need in model.members.plain), "trees of another need")
    _require(_is_texts(model.metadata.get("silence", {})), "silence")
    held = [held.schema.needs for _, held in model._others()]
    _require(all(others == model.schema.needs for others in held), "a model of other needs")


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for pair in value.items() for text in pair)


def _require(holds: Any, what: str) -> None:
    if not holds:
        raise ValueError(what)


def probability(log_odds: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Compute the probability of log-odds after a shift: float64 [rows], within LEAST and MOST."""
    return np.clip(expit(log_odds + shift), LEAST, MOST)


def combined_risk(p: np.ndarray, household: np.ndarray, severe: np.ndarray, count: int) -> np.ndarray:
    """Compute the probability of at least one severe request, as if needs were independent: float64 [count].

    p: float64 [rows], p_request. household: int [rows], below ``count``. severe: bool [rows].
    """
    none = np.bincount(household[severe], np.log1p(-np.clip(p[severe], 0, MOST)), minlength=count)
    return -np.expm1(none)
