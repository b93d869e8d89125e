from dataclasses import replace

import pytest
from make_records import make_community, make_records
from mlflow import MlflowClient
from small_town import AS_OF, NEEDS, town_rows

from features.point_in_time.records import known_before
from features.point_in_time.schema_fit import fit_schema
from models.dataset.sample import training_table
from models.dataset.split import split
from models.estimators.train import Trainer
from models.registry.registry import NAME, log_retrain
from models.registry.tracking import registry_address
from models.training.retrain import Retrained, retrain
from models.training.retraining import Retraining
from models.training.tune import SPACE, USUAL, Tuning, tune


@pytest.fixture(scope="module")
def records():
    return make_records(**town_rows(households=100, requests=2500), community=make_community(NEEDS))


@pytest.fixture(scope="module")
def tuned(records) -> Retrained:
    return retrain(records, AS_OF, how=Retraining(threads=1, tuning=Tuning(60, most_trials=3)))


@pytest.fixture(scope="module")
def searched(records):
    """A search alone, of a few trials, on the same cut table each time."""
    known = known_before(records, AS_OF)
    schema, plan = fit_schema(known), split(known)
    table = training_table(lambda: (records, known), schema, plan.dates, most_rows=2000)
    trainer = Trainer(table, len(schema.needs), threads=1)

    def search(journal, trials, fingerprint="f"):
        found = tune(trainer, known, plan, Tuning(60, trials, journal), fingerprint, {}, iter)
        return found.trials.drop(columns="seconds")

    return search


def test_the_first_trial_has_the_usual_parameters_and_the_chosen_ones_lose_no_more(tuned):
    trials = tuned.tuned.trials
    assert len(trials) == 3
    assert trials.loc[0, list(SPACE)].to_dict() == USUAL
    assert trials.loc[0, "loss"] == tuned.tuned.usual_loss
    assert tuned.tuned.loss == trials.loc[trials["state"] == "complete", "loss"].min()
    assert sum("调参：试了 3 组" in line for line in tuned.notes) == 1


def test_the_trees_are_grown_with_what_was_chosen(tuned):
    chosen = {**USUAL, **tuned.tuned.parameters}
    for name, value in chosen.items():
        assert tuned.parameters[f"pooled_{name}"] == value
    assert f"[num_leaves: {chosen['num_leaves']}]" in tuned.model.members.pooled[0].model_to_string()


def test_an_interrupted_search_goes_on_with_its_trials(searched, tmp_path):
    journal = tmp_path / "tuning.journal"
    before = searched(journal, 2)
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 4, "wor')  # cut short while it was written
    after = searched(journal, 3)
    assert after.head(2).equals(before) and len(after) == 3
    assert searched(journal, 1).equals(after), "enough trials were made"


def test_the_same_search_finds_the_same_and_forgets_trials_of_other_data(searched, tmp_path):
    journal = tmp_path / "tuning.journal"
    searched(journal, 2, "other data")
    assert searched(journal, 2).equals(searched(None, 2))


def test_tuned_parameters_are_kept_until_they_are_given_up(tuned, records):
    told = {"as_of": "2024-01-01", "parameters": {"num_leaves": 9, "learning_rate": 0.05}, "loss": 0.1}
    champion = replace(tuned.model, metadata={**tuned.model.metadata, "tuned": told})
    kept = retrain(records, AS_OF, champion, Retraining(threads=1))
    assert kept.tuned is None and kept.model.metadata["tuned"] == told
    assert kept.parameters["pooled_num_leaves"] == 9
    assert any("沿用启用模型 2024-01-01 调好的" in line for line in kept.notes)
    usual = retrain(records, AS_OF, champion, Retraining(threads=1, tuning=Tuning(0)))
    assert usual.model.metadata["tuned"] is None
    assert usual.parameters["pooled_num_leaves"] == USUAL["num_leaves"]


def test_the_search_is_a_run_of_its_own_below_the_retrain(tuned, records, tmp_path):
    log_retrain(tmp_path, tuned, known_before(records, AS_OF))
    client = MlflowClient(registry_address(tmp_path))
    experiment = client.get_experiment_by_name(NAME).experiment_id
    (run,) = client.search_runs([experiment], "attributes.run_name = 'tuning'")
    assert "mlflow.parentRunId" in run.data.tags
    assert run.data.metrics["best_loss"] == tuned.tuned.loss
    losses = client.get_metric_history(run.info.run_id, "loss")
    assert [loss.step for loss in losses] == [0, 1, 2]
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"trials.csv", "importance.csv", "tuning.png"} <= files
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    assert "tuning" not in {file.path for file in client.list_artifacts(parent.info.run_id)}
