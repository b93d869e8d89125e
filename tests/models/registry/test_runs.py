"""What a run in MLflow shows of a need."""

from pathlib import Path

import pandas as pd
from mlflow import MlflowClient

from models.registry.runs import log_values


def test_a_need_that_was_not_asked_for_in_the_oldest_fold_begins_at_its_own_step(tmp_path: Path) -> None:
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    run = client.create_run(client.create_experiment("needs", (tmp_path / "artifacts").as_uri()))
    folds = ["2025-01-06", "2025-04-07", "2025-07-07"]
    metrics = pd.DataFrame({"fold": folds[1:], "ranker": "model", "metric": "auc", "value": [0.7, 0.8]})
    log_values(client, run.info.run_id, {}, metrics.assign(low=0.6, high=0.9), folds)
    history = client.get_metric_history(run.info.run_id, "model/auc")
    assert [(one.step, one.value) for one in history] == [(1, 0.7), (2, 0.8)]
    (low,) = client.get_metric_history(run.info.run_id, "model/auc.low")
    assert low.step == 2
