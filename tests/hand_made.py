"""Models written down instead of trained, and what a retrain would say about them on a small town."""

from collections.abc import Mapping
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from make_records import make_community, make_records
from small_town import AS_OF, NEEDS, town_rows

from features.blocks.build import build, catalogue
from features.contract.community import Community
from features.point_in_time.records import Known, Records, known_before
from features.point_in_time.schema import fit_schema
from models.dataset.sample import labelled
from models.estimators.calibrate import no_calibration
from models.estimators.logistic import Logistic, Transform
from models.estimators.offset import EXPECTED, Ground
from models.estimators.train import Parts
from models.evaluation.baselines import MODEL, PROBABILITIES, baseline_scores
from models.evaluation.capacity import capacity_of_need
from models.evaluation.compare import compare
from models.evaluation.evaluate import Validation, evaluate
from models.evaluation.verdict import verdicts
from models.fairness.audit import audit_requests
from models.scoring.fingerprint import fingerprint
from models.scoring.model import NeedModel
from models.training.retrain import Retrained

GOOD = {"requests_364_days": 0.6, "requests_all_time": 0.1}  # log-odds a unit
BAD = {"requests_364_days": -0.6, "requests_all_time": -0.1}
DAYS = (AS_OF - 182, AS_OF - 154, AS_OF - 126, AS_OF - 98)  # two folds; every label is complete by AS_OF


def make_town(households: int = 60, requests: int = 1500, community: Community | None = None) -> Records:
    """A small town in which some households ask often."""
    rows = town_rows(households=households, requests=requests)
    return make_records(**rows, community=community or small_community())


def small_community(**sections: Any) -> Community:
    """Six visits a week for each need, in any further settings."""
    return make_community(NEEDS, outreach={"visits_per_worker": 1}, **sections)


def hand_made_model(known: Known, coefficients: Mapping[str, float], trees: bool = False) -> NeedModel:
    """Log-odds = -3 + coefficients times features (at most 4 units of each); on request with a few trees."""
    schema = fit_schema(known)
    names = [one.name for one in catalogue(schema)]
    needs, count = len(schema.needs), len(names)
    slopes = np.array([coefficients.get(name, 0.0) for name in names])
    still = Transform(
        np.zeros(count, bool), np.ones(count), np.zeros(count), np.ones(count), np.empty(0, np.int64)
    )
    logistic = Logistic(still, np.full(needs, -3.0), np.tile(slopes, (needs, 1)))
    return NeedModel(
        schema=schema,
        feature_names=names,
        parts=Parts(
            logistic,
            Ground(names.index(EXPECTED), np.zeros(needs), np.zeros(needs)),
            (_few_trees(count),) if trees else (),
            {},
        ),
        weights=np.tile([0.5, 0.5, 0.0] if trees else [1.0, 0.0, 0.0], (needs, 1)),
        calibration=no_calibration(needs),
        modelled=np.ones(needs, dtype=bool),
        rates=np.full(needs, 0.05),
        per_request=np.ones(needs),
        level_weight=0.0,
        usual_shift=np.zeros(needs),
        risk_calibration=(1.0, 0.0),
        metadata={"as_of": "2024-09-02"},
    )


def _few_trees(features: int) -> lgb.Booster:
    random = np.random.default_rng(0)
    matrix = random.random((200, features))
    settings = {"objective": "binary", "num_leaves": 4, "verbosity": -1, "num_threads": 1, "seed": 0}
    return lgb.train(settings, lgb.Dataset(matrix, matrix[:, 0] > 0.5), num_boost_round=3)


def hand_made_retrain(records: Records, model: NeedModel, champion: NeedModel | None = None) -> Retrained:
    """What a retrain would say about a model, validated on two folds."""
    now = known_before(records, AS_OF)
    parts = []
    for number, day in enumerate(DAYS):
        known = known_before(records, day)
        rows, label = labelled(known, now)
        features = build(known, rows, model.schema)
        scores = {MODEL: model.predict(features), **baseline_scores(features, known.microgrid)}
        old = champion.predict(features) if champion else np.zeros(len(rows))
        parts.append((rows, label, np.full(len(rows), day), np.full(len(rows), number // 2), scores, old))
    rows, label, day, fold, scores, old = zip(*parts, strict=True)
    validation = Validation(
        np.concatenate([one.household for one in rows]),
        np.concatenate([one.need for one in rows]),
        np.concatenate(day),
        np.concatenate(fold),
        np.concatenate(label),
        {ranker: np.concatenate([one[ranker] for one in scores]) for ranker in scores[0]},
        ("2024-03-04", "2024-04-29"),
    )
    needs = model.schema.needs
    found = evaluate(validation, needs, capacity_of_need(now), PROBABILITIES, MODEL, replicates=50)
    newest = validation.fold == 1
    old_score, new_score = np.concatenate(old)[newest], validation.scores[MODEL][newest]
    compared = (
        compare(validation.take(newest), old_score, new_score, needs, capacity_of_need(now))
        if champion
        else None
    )
    importance = [(need, name, abs(GOOD.get(name, 0.0))) for need in needs for name in model.feature_names]
    return Retrained(
        model=model,
        metrics=found.metrics,
        reliability=found.reliability,
        lift=found.lift,
        importance=pd.DataFrame(importance, columns=["need", "feature", "gain"]),
        comparison=compared,
        parameters={
            "training_days": 4,
            "first_day": "2023-09-04",
            "last_day": "2024-02-19",
            "rows": 720,
            "features": len(model.feature_names),
        },
        notes=["一行说明"],
        fingerprint=fingerprint(now),
        seconds={"features": 1.0, "train": 2.0},
        validation=validation,
        groups=audit_requests(records, now, validation),
        verdicts=verdicts(validation, now),
    )
