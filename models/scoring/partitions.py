"""Scores of a large town, part by part: the same as ``score`` gives of a town in one piece.

What holds for the whole town (rates, factors, the level of the day) is fitted first, on the parts of the sample. Then
each part gives log-odds by itself, in a file that tells what it was made from: a killed run goes on where it was,
and a part in which nothing changed is not scored again. At the end come ranks and tiers, which compare all households.
"""

import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import version as package_version

import numpy as np
import pyarrow as pa

from features.blocks.build import build, summarise
from features.point_in_time.cohort import cohort
from features.point_in_time.records import date_of, known_before
from features.point_in_time.town import TownSummary
from features.store.partitions import Parts
from features.store.storage import get, get_table, keep_only, key_of, put, put_table
from models.dataset.out_of_time import stable_hash
from models.estimators.calibrate import level_shift
from models.estimators.seasonal_level import expected_requests
from models.scoring.model import NeedModel, probability
from models.scoring.score import SEVERE, ranks, tiers

OWN_VERSION = package_version("xianying")
Each = Callable[[Callable[[int], None], Sequence[int]], Iterable[None]]


@dataclass(frozen=True)
class Fitted:
    """What the scores of one day take from the whole town."""

    town: TownSummary
    expected: np.ndarray  # float64 [needs]: households of the sample that are expected to ask


@dataclass(frozen=True)
class Scoring:
    """One day's scoring of a town in parts, ready to be sent to where the parts are worked on."""

    parts: Parts
    model: NeedModel
    version: str
    fitted: Fitted
    key: str  # of everything but the part's own rows

    def place(self, kind: str, number: int) -> str:
        """Where a part's file of a kind is."""
        return f"{self.parts.root}/{kind}/{self.day}/part={number:04d}.parquet"

    @property
    def day(self) -> str:
        """The directory of the as-of date."""
        return f"as_of={date_of(self.fitted.town.as_of)}"

    def key_of(self, number: int) -> str:
        """Of everything that a part's log-odds are made from."""
        return f"{self.key}-{self.parts.parts[number].key}"

    @property
    def whole_key(self) -> str:
        """Of everything that ranks and tiers are made from."""
        keys = [self.key_of(number) for number in range(len(self.parts))]
        return blake2b(" ".join(keys).encode(), digest_size=12).hexdigest()

    def __call__(self, number: int) -> None:
        """Write the log-odds of one part, unless they are there."""
        place, key = self.place("log_odds", number), self.key_of(number)
        if key_of(place) != key:
            put_table(place, log_odds(self.parts, number, self.model, self.fitted.town), key)


def log_odds(parts: Parts, number: int, model: NeedModel, town: TownSummary) -> pa.Table:
    """One row a household that lives in the part: household_id, and lists of need (position), log_odds (before
    the level of the day) and p_need (NaN where the model has none of its own)."""
    known = known_before(parts.read([number]), town.as_of, town)
    features = build(known, cohort(known), model.schema, summarise(known, model.schema, town))
    rows, scored = features.rows, model.log_odds(features)
    p_need = model.visited.predict(features, known, scored) if model.visited else np.full(len(rows), np.nan)
    present = np.flatnonzero(known.present)
    ends = np.searchsorted(rows.household, present, side="right")
    offsets = pa.array(np.append(0, ends).astype(np.int32))
    lists = {"need": rows.need, "log_odds": scored, "p_need": p_need}
    columns = {name: pa.ListArray.from_arrays(offsets, pa.array(values)) for name, values in lists.items()}
    return pa.table({"household_id": pa.array(known.household_ids[present], pa.string()), **columns})


@dataclass(frozen=True)
class Building:
    """Features of a part as the model takes them, into a Parquet file below the parts' root."""

    scoring: Scoring

    def __call__(self, number: int) -> None:
        """Write them, unless they are there: household_id, need, and a float32 column for each further feature."""
        scoring = self.scoring
        place, key, schema = scoring.place("features", number), scoring.key_of(number), scoring.model.schema
        if key_of(place) == key:
            return
        town = scoring.fitted.town
        known = known_before(scoring.parts.read([number]), town.as_of, town)
        made = build(known, cohort(known), schema, summarise(known, schema, town))
        needs = pa.array([one.id for one in known.community.needs])
        columns = {
            "household_id": pa.array(known.household_ids[made.rows.household], pa.string()),
            "need": needs.take(pa.array(made.rows.need)),
        }
        for column, name in enumerate(made.names):
            columns.setdefault(name, pa.array(made.matrix[:, column]))
        put_table(place, pa.table(columns), key)


def prepare(parts: Parts, model: NeedModel, version: str, as_of: int) -> Scoring:
    """Fit what holds for the whole town on the sample's parts; kept, and only made again when they, or the version of
    Xianying, changed."""
    sample = [parts.parts[one].key for one in parts.sample]
    made_from = (
        sample,
        as_of,
        version,
        parts.community.model_dump(mode="json"),
        pickle.dumps(model),
        OWN_VERSION,
    )
    key = blake2b(pickle.dumps(made_from), digest_size=12).hexdigest()
    place = f"{parts.root}/fitted/as_of={date_of(as_of)}/{key}.pickle"
    held = get(place)
    if held is None:
        known = known_before(parts.read(parts.sample), as_of)
        held = pickle.dumps(
            Fitted(summarise(known, model.schema), expected_requests(known) * model.per_request)
        )
        put(place, held)
    return Scoring(parts, model, version, pickle.loads(held), key)


def score_parts(scoring: Scoring, each: Each) -> None:
    """Score every part; ``each`` calls a function for each number, here or elsewhere (``models.scoring.executors``).

    Leaves one file of scores (the contract's columns) and one of risk a part, below the parts' root, unless they are
    there already.
    """
    parts = scoring.parts
    made = [scoring.place(kind, one) for kind in ("scores", "risk") for one in range(len(parts))]
    if all(key_of(place) == scoring.whole_key for place in made):
        return
    list(each(scoring, range(len(parts))))
    ids, p_request, p_need, need, household = _gathered(scoring)
    order = stable_hash(np.concatenate([one.to_numpy() for one in ids]))
    rank = ranks(p_need, need, order[household])
    severe = np.array([one.severity >= SEVERE for one in parts.community.needs])
    risk = scoring.model.risk(p_request, household, severe[need], len(order))
    tier = tiers(risk, order, parts.community.outreach.risk)
    begin_pair = begin_home = 0
    names = np.array([one.id for one in parts.community.needs], dtype=object)
    for number, own in enumerate(ids):
        homes = slice(begin_home, begin_home + len(own))
        pairs = slice(begin_pair, int(np.searchsorted(household, homes.stop)))
        of_pair = own.take(pa.array(household[pairs] - begin_home))
        columns = {
            "household_id": of_pair,
            "need": pa.array(names[need[pairs]], pa.string()),
            "p_request": p_request[pairs],
            "p_need": p_need[pairs],
            "rank": rank[pairs],
        }
        _put_dated(scoring, "scores", number, columns, model_version=scoring.version)
        columns = {"household_id": own, "risk": risk[homes], "tier": pa.array(tier[homes], pa.string())}
        _put_dated(scoring, "risk", number, columns)
        begin_pair, begin_home = pairs.stop, homes.stop
    for kind in ("log_odds", "fitted", "scores", "risk"):
        keep_only(parts.root, f"{kind}/as_of=*", {f"{kind}/{scoring.day}"})


def _gathered(
    scoring: Scoring,
) -> tuple[list[pa.ChunkedArray], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The household ids of each part; p_request, p_need, need and household (a running number) of every pair, part by
    part."""
    ids: list[pa.ChunkedArray] = []
    count, tables = 0, []
    for number in range(len(scoring.parts)):
        held = get_table(scoring.place("log_odds", number)).combine_chunks()
        ids.append(held["household_id"])
        size = np.diff(held["need"].chunk(0).offsets.to_numpy())
        household = np.repeat(np.arange(count, count + len(held), dtype=np.int32), size)
        values = [held[name].chunk(0).values.to_numpy() for name in ("need", "log_odds", "p_need")]
        tables.append((household, *values))
        count += len(held)
    sampled = [tables[number] for number in scoring.parts.sample]
    need, own = np.concatenate([one[1] for one in sampled]), np.concatenate([one[2] for one in sampled])
    model = scoring.model
    shift = level_shift(scoring.fitted.expected, own, need, model.level_weight * model.modelled)
    household, need, scored, p_need = (np.concatenate(one) for one in zip(*tables, strict=True))
    p_request = probability(scored, shift[need])
    return ids, p_request, np.where(np.isnan(p_need), p_request, p_need), need, household


def _put_dated(scoring: Scoring, kind: str, number: int, columns: dict, **last: str) -> None:
    """A part's table with ``as_of`` as the third column (of scores) or the second, in the contract's order."""
    length = len(columns["household_id"])
    as_of = pa.array([date_of(scoring.fitted.town.as_of)]).take(pa.array(np.zeros(length, dtype=np.int8)))
    first = ("household_id", "need") if "need" in columns else ("household_id",)
    ordered = {
        **{name: columns[name] for name in first},
        "as_of": as_of,
        **{name: values for name, values in columns.items() if name not in first},
        **{name: pa.array([value] * length, pa.string()) for name, value in last.items()},
    }
    put_table(scoring.place(kind, number), pa.table(ordered), scoring.whole_key)
