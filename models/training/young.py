"""A second model of a community that lends its own: for a neighbour that has only begun to record.

A model of households with years behind them leans on what they asked for then. Where records are eight weeks old it
finds none of that, and takes households of which nobody recorded anything for households that asked for nothing. So the
lender trains another one of the same labels, whose features see what was recorded in the eight weeks before each day,
and no more.
"""

from concurrent.futures import Executor
from dataclasses import replace

import numpy as np

from features.language import say
from features.point_in_time.labels import window_days
from features.point_in_time.records import Known, Records
from features.units import WEEK
from models.dataset.split import Split
from models.estimators.train import Trainer
from models.scoring.model import NeedModel
from models.training.retraining import Retraining, drawn_table, progress, trainer_of
from models.training.validate import backtest, finish
from models.training.validation_report import Calibrated

MEMORY = 8 * WEEK  # days


def young_model(
    records: Records,
    known: Known,
    calibrated: Calibrated,
    trainer: Trainer,
    plan: Split,
    how: Retraining,
    second: Executor,
) -> NeedModel | None:
    """Train the model for a community that began to record eight weeks ago; None where the settings lend no model.

    records, known: all records, and what is known now.
    calibrated: the community's own model without its trees.
    trainer: of that model; its parameters are used here, too.
    plan: dates and folds.
    how: settings of the retrain.
    second: executor with one thread.

    Returns the own model with other weights and calibration, members, and no rows of its validation.
    """
    if not known.community.sharing.model:
        return None
    model = calibrated.model
    table = drawn_table(records, known, model.schema, plan.dates, how, MEMORY)
    own = trainer_of(table, model.schema, how)
    own.pooled = trainer.pooled
    shown = progress(say("借给新社区的模型", "model to lend to new communities"))
    predicting, rounds = backtest(records, known, model.schema, own, plan, shown, second, MEMORY)
    predicted = predicting.result()
    horizon = window_days(known.community)
    fitted = finish(predicted, np.ones(len(predicted), dtype=bool), horizon)
    members, _ = own.fit_whole(rounds, fitted.weights != 0)
    return replace(
        model, members=members, weights=fitted.weights, calibration=fitted.calibration, out_of_time=None
    )
