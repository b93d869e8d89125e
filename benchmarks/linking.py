"""Measure linking on a made-up town: shares linked and wrong, calibration, seconds and memory; beside splink on request.

The town and its records are those of tests/fixtures/noisy_ledger.py; rows are written without knowledge of the parser.
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

sys.path.insert(0, "tests")

from fixtures.noisy_ledger import make_records, make_town

from features.linking.link import SURE, link


def main() -> None:
    """Link one town's records and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--households", type=int, default=20_000)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--estates", type=int, default=12)
    parser.add_argument("--slips", type=float, default=1.0, help="times the usual number of slips and gaps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--with", dest="by", choices=list(LINKERS), default="xianying")
    given = parser.parse_args()
    homes, register = make_town(given.households, given.seed, given.estates)
    records = make_records(homes, register, given.records, given.seed + 1, given.slips)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    found = LINKERS[given.by](records.drop(columns="household_id"), register)
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        **vars(given),
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime, 1),
        "megabytes": used.ru_maxrss // 1024,
        "cores": len(os.sched_getaffinity(0)),
        **judged(found, records["household_id"]),
    }
    print(json.dumps(figures, ensure_ascii=False, indent=1))


def judged(found: pd.DataFrame, truth: pd.Series) -> dict[str, object]:
    """Compare links with the truth: shares with 95 % Wilson intervals, and the calibration of the chances.

    found: household_id, candidates and chance of each record.
    truth: the household of each record; "" for one that isn't registered.
    """
    linked = found["household_id"].notna()
    registered = truth != ""
    wrong = linked & (found["household_id"] != truth)
    first = found["candidates"].str[0].fillna("")
    right = (first == truth) & (first != "")
    chance = found["chance"].to_numpy().clip(1e-6, 1 - 1e-6)
    bins = pd.cut(found["chance"], [-1, 0.1, 0.5, 0.9, 0.99, 0.999, 1.01])
    table = pd.DataFrame({"chance": found["chance"], "right": right}).groupby(bins, observed=True)
    among = table.agg(records=("right", "size"), chance=("chance", "mean"), right=("right", "mean"))
    told = registered & right & linked
    return {
        "linked_right": share(int(told.sum()), int(registered.sum())),
        "wrong_of_linked": share(int(wrong.sum()), int(linked.sum())),
        "right_among_candidates": share(
            sum(
                one in held
                for one, held in zip(truth[registered], found["candidates"][registered], strict=True)
            ),
            int(registered.sum()),
        ),
        "log_loss": round(float(-np.where(right, np.log(chance), np.log1p(-chance)).mean()), 4),
        "calibration": among.round(4).reset_index(names="of").astype({"of": str}).to_dict("records"),
    }


def share(hits: int, count: int) -> list[float]:
    """Return a share in percent with the ends of its 95 % interval (Wilson)."""
    z, mean = 1.96, hits / max(count, 1)
    middle = (mean + z * z / 2 / count) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(mean * (1 - mean) / count + z * z / 4 / count**2)
    return [round(100 * one, 3) for one in (mean, max(middle - half, 0.0), middle + half)]


def _with_splink(records: pd.DataFrame, register: pd.DataFrame) -> pd.DataFrame:
    """Link with splink 5 on DuckDB, on the parts that the same parser reads; the best pair of each record counts."""
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    settings = SettingsCreator(
        link_type="link_only",
        comparisons=_comparisons(),
        blocking_rules_to_generate_predictions=[
            block_on("key"),
            block_on("mask"),
            block_on("sound", "building"),
        ],
    )
    left = _columns(records, np.arange(len(records)))
    right = _columns(register, register["household_id"].to_numpy())
    api = DuckDBAPI()
    linker = Linker(
        [
            api.register(left, dataset_display_name="records"),
            api.register(right, dataset_display_name="register"),
        ],
        settings,
    )
    linker.training.estimate_probability_two_random_records_match([block_on("phone")], recall=0.2)
    linker.training.estimate_u_using_random_sampling(max_pairs=2e6, seed=1)
    for rule in (block_on("key"), block_on("mask"), block_on("sound")):
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    pairs = linker.inference.predict(threshold_match_probability=0.01).as_pandas_dataframe()
    return _best_of(pairs, records.index)


def _comparisons() -> list:
    """Compare doors, names and telephones by levels, from equal to nothing in common."""
    import splink.comparison_level_library as levels
    import splink.comparison_library as comparisons

    return [
        comparisons.CustomComparison(
            output_column_name="door",
            comparison_levels=[
                levels.NullLevel("key"),
                levels.CustomLevel("key_l = key_r AND unit_l = unit_r AND place_l = place_r", "all parts"),
                levels.CustomLevel(
                    "key_l = key_r AND (unit_l = unit_r OR unit_l = '' OR unit_r = '')", "a part left out"
                ),
                levels.CustomLevel("building_l = building_r AND unit_l = unit_r", "building and unit"),
                levels.ElseLevel(),
            ],
        ),
        comparisons.CustomComparison(
            output_column_name="name",
            comparison_levels=[
                levels.CustomLevel("surname_l IS NULL OR surname_r IS NULL", "missing").configure(
                    is_null_level=True
                ),
                levels.ExactMatchLevel("name", term_frequency_adjustments=True),
                levels.ExactMatchLevel("sound"),
                levels.CustomLevel(
                    "surname_l = surname_r AND (name_l IS NULL OR name_r IS NULL)", "surname, no name"
                ),
                levels.CustomLevel("surname_l = surname_r", "surname"),
                levels.ElseLevel(),
            ],
        ),
        comparisons.CustomComparison(
            output_column_name="phone",
            comparison_levels=[
                levels.NullLevel("mask"),
                levels.ExactMatchLevel("phone"),
                levels.ExactMatchLevel("mask"),
                levels.ElseLevel(),
            ],
        ),
    ]


def _best_of(pairs: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    """Return the best household of each record, as ``link`` does; two that are as sure as each other are nobody's."""
    of_record = pairs["source_dataset_l"] == "records"
    record = np.where(of_record, pairs["unique_id_l"], pairs["unique_id_r"]).astype(str)
    row = np.where(of_record, pairs["unique_id_r"], pairs["unique_id_l"]).astype(str)
    best = pd.DataFrame(
        {
            "record": record,
            "household": [identifier.split("/")[0] for identifier in row],
            "chance": pairs["match_probability"],
        }
    )
    best = (
        best.groupby(["record", "household"])["chance"]
        .max()
        .reset_index()
        .sort_values("chance", ascending=False)
    )
    first = best.drop_duplicates("record").set_index("record").reindex(map(str, range(len(index))))
    held = best.groupby("record")["household"].agg(list).reindex(first.index)
    tied = (
        best.merge(best.drop_duplicates("record"), on=["record", "chance"])
        .groupby("record")
        .size()
        .reindex(first.index)
        > 1
    )
    sure = (first["chance"] >= SURE) & ~tied
    return pd.DataFrame(
        {
            "household_id": first["household"].where(sure).to_numpy(),
            "candidates": [homes if isinstance(homes, list) else [] for homes in held],
            "chance": first["chance"].fillna(0.0).to_numpy(),
        },
        index=index,
    )


def _columns(rows: pd.DataFrame, ids: np.ndarray) -> pd.DataFrame:
    """Give each row its parts as columns: the first door, person and telephone."""
    from features.linking.mentioned import read_mentioned

    read = read_mentioned(rows, np.arange(len(rows)), len(rows))
    doors, persons, phones = (
        table.drop_duplicates("whose").set_index("whose").reindex(range(len(rows)))
        for table in (read.doors, read.persons, read.phones)
    )
    whole = persons["form"] == 0
    names = doors["names"].map(lambda one: one[-1] if isinstance(one, tuple) and one else "")
    return pd.DataFrame(
        {
            "unique_id": [
                f"{one}/{place}" if isinstance(one, str) else str(one) for place, one in enumerate(ids)
            ],
            "place": names,
            "key": doors["building"] + "|" + doors["room"],
            "building": doors["building"],
            "unit": doors["unit"].fillna(""),
            "surname": persons["surname"],
            "name": persons["name"].where(whole),
            "sound": persons["sound"].where(whole),
            "phone": phones["phone"],
            "mask": phones["mask"],
        }
    )


LINKERS: dict[str, Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]] = {
    "xianying": link,
    "splink": _with_splink,
}

if __name__ == "__main__":
    main()
