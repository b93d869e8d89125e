"""Block: how much the household asks for anything, and for what else, besides the need in question."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from features.blocks.catalogue import Feature, each, listed
from features.contract.need_kinds import Telling
from features.language import say
from features.point_in_time.cohort import eligible
from features.point_in_time.records import Known, Rows
from features.point_in_time.schema import Schema, plain_text
from features.point_in_time.town import TownSummary
from features.point_in_time.town_summary import Asked, asked, days_observed, rate, requests_of
from features.units import YEAR_OF_WEEKS

WINDOWS = (91, 364)  # days
EACH_NEED_WINDOWS = (28, 91, 364)  # days, in which each leading need's requests are counted
RELATED_HALF_LIFE = 45  # days
FOLLOWS_WITHIN = 91  # days in which a request counts as following another
FOLLOWS_PRIOR = 20.0  # expected followers that pull a lift towards 1
FOLLOWS_MOST = 30  # a request is compared with at most so many later ones of its household
FEATURES = listed(
    "requests",
    "own_requests",
    "days_observed | 本户申请可见的天数 | Days for which its requests could be seen | as of the date | days |",
    *each(
        WINDOWS,
        "other_needs_requests_{}_days | 近{}天申请其他事项次数 | Requests for other needs in the last {} days | {} days | requests | other_needs",
    ),
    *each(
        (RELATED_HALF_LIFE,),
        "related_needs_decayed_requests_half_life_{}_days | 申请相关事项次数，按前后相随的程度加权，每过{}天折半 | Requests for needs that this one follows, each worth half after {} days | all time | requests | other_needs",
    ),
    "days_since_other_request | 距上次申请其他事项的天数 | Days since the last request for another need | all time | days | other_needs",
    "needs_requested_364_days | 近一年申请过的事项数 | Needs asked for in a year | 364 days | needs | asked_anything",
    "days_until_recorded | 诉求平均几天后登记 | Mean days from request to record | all time | days |",
)


OF_EACH_NEED = listed(
    "requests",
    "each_need",
    *each(
        EACH_NEED_WINDOWS,
        "requests_{}_days | 近{}天申请NEED次数 | Requests for NEED in the last {} days | {} days | requests | other_needs",
    ),
    "requests_all_time | 累计申请NEED次数 | Requests for NEED so far | all time | requests | other_needs",
    "days_since_request | 距上次申请NEED的天数 | Days since the last request for NEED | all time | days | other_needs",
)


@dataclass(frozen=True)
class ActivityTown:
    """Which need tends to follow which, estimated on the whole town."""

    lift: np.ndarray  # [needs, needs] log lift of asking for the second soon after the first; diagonal 0


def summarise(known: Known, schema: Schema, fitted: ActivityTown | None = None) -> ActivityTown:
    """Estimate which need follows which over the whole town.

    ``known``: the whole town, or a sample of its grids. ``schema`` is not used. ``fitted``: an earlier estimate, which is
    returned as it is.
    """
    if fitted:
        return fitted
    past, able = asked(known), eligible(known)
    exposure = able * days_observed(known)[:, None]
    count = past.total() * able
    rates = rate(count.sum(0), exposure.sum(0))
    return ActivityTown(_log_lift(past, rates))


def _log_lift(past: Asked, rates: np.ndarray) -> np.ndarray:
    """Compute log observed over expected requests for a need soon after another: float64 [needs, needs], shrunk to 0."""
    count = past.shape[1]
    order = np.lexsort((-past.age, past.household))
    household, need, age = past.household[order], past.need[order].astype(int), past.age[order]
    seen = np.zeros(count * count)
    for step in range(1, min(FOLLOWS_MOST, len(order) - 1) + 1):
        near = (household[step:] == household[:-step]) & (age[:-step] - age[step:] <= FOLLOWS_WITHIN)
        if not near.any():
            break
        pair = need[:-step] * count + need[step:]
        seen += np.bincount(pair[near], minlength=count * count)
    exposure = np.bincount(need, np.minimum(age, FOLLOWS_WITHIN), count)
    expected = np.outer(exposure, rates)
    lift = np.log((seen.reshape(count, count) + FOLLOWS_PRIOR) / (expected + FOLLOWS_PRIOR))
    np.fill_diagonal(lift, 0.0)
    return lift


def features(schema: Schema) -> list[Feature]:
    """List the block's features, in order; last come five for each leading need, as one need often leads to another."""
    return [
        *FEATURES,
        *(
            replace(
                row,
                name=f"{plain_text(need)}.{row.name}",
                zh=row.zh.replace("NEED", need),
                en=row.en.replace("NEED", need),
            )
            for need in schema.leading
            for row in OF_EACH_NEED
        ),
    ]


def _each_need(known: Known, past: Asked, schema: Schema) -> dict[str, np.ndarray]:
    """Count the requests for each leading need and the days since the last: float64 [households, 1] by feature name."""
    place = known.community.need_index()
    counts = {f"requests_{days}_days": past.count(0, days) for days in EACH_NEED_WINDOWS}
    counts |= {"requests_all_time": past.total(), "days_since_request": past.last_two()[0]}
    return {
        f"{plain_text(need)}.{name}": values[:, [place[need]]]
        for need in schema.leading
        for name, values in counts.items()
    }


def block(known: Known, rows: Rows, town: TownSummary, schema: Schema) -> dict[str, np.ndarray]:
    """Compute the block's columns for the pairs ``rows`` as of ``known.as_of``.

    ``town.parts["activity"]`` gives the lifts, ``schema`` the leading needs. Returns float32 [len(rows)] by feature
    name, NaN where a time or mean has no request to be computed from.
    """
    past, table = asked(known), town.parts["activity"]
    columns = {"days_observed": days_observed(known)[:, None], **_others(past, table), **_delay(known, past)}
    columns |= _each_need(known, past, schema)
    return {
        name: values[rows.household, rows.need if values.shape[1] > 1 else 0].astype(np.float32)
        for name, values in columns.items()
    }


def _others(past: Asked, table: ActivityTown) -> dict[str, np.ndarray]:
    """Compute the columns on requests for other needs, and the number of needs asked for in the last 364 days."""
    columns = {f"other_needs_requests_{days}_days": _besides(past.count(0, days)) for days in WINDOWS}
    related = past.decayed(RELATED_HALF_LIFE) @ table.lift
    columns[f"related_needs_decayed_requests_half_life_{RELATED_HALF_LIFE}_days"] = related
    columns["days_since_other_request"] = _least_besides(past.last_two()[0])
    columns["needs_requested_364_days"] = (past.count(0, YEAR_OF_WEEKS) > 0).sum(1, keepdims=True)
    return columns


def _besides(values: np.ndarray) -> np.ndarray:
    """Sum the values over all other needs of the household: float64 [households, needs]."""
    return values.sum(1, keepdims=True) - values


def _least_besides(age: np.ndarray) -> np.ndarray:
    """Find the least age in days among the other needs: float64 [households, needs]; NaN where there is none."""
    if age.shape[1] == 1:
        return np.full(age.shape, np.nan)
    filled = np.where(np.isnan(age), np.inf, age)
    least = np.partition(filled, 1, axis=1)[:, :2]
    besides = np.where(filled == least[:, :1], least[:, 1:], least[:, :1])
    return np.where(np.isinf(besides), np.nan, besides)


def _delay(known: Known, past: Asked) -> dict[str, np.ndarray]:
    """Compute the mean days from request to record: float64 [households, 1] by feature name; NaN without requests."""
    waited = (known.requests.recorded - known.requests.requested)[past.row]
    count = np.bincount(past.household, minlength=past.shape[0])
    total = np.bincount(past.household, waited, past.shape[0])
    mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return {"days_until_recorded": mean[:, None]}


def _recent(known: Known, household: int) -> list[int]:
    """List the needs of the household's requests in 364 days, except sensitive needs, which no list may mention."""
    times, needs = requests_of(known, household)
    tellable = [not need.sensitive for need in known.community.needs]
    return [int(need) for need in needs[times >= known.as_of - YEAR_OF_WEEKS] if tellable[need]]


def _other_needs(known: Known, schema: Schema, household: int, need: int) -> str:
    needs = known.community.needs
    others = [
        column
        for column in _recent(known, household)
        if column != need and needs[column].about & needs[need].about
    ]
    if not others:
        return ""
    often = max(sorted(set(others)), key=others.count)
    name, kinds, count = known.community.needs[often].name.here, len(set(others)), len(others)
    if kinds == 1:
        return say(f"近一年申请过{count}次{name}", f"asked for {name} {_times(count)} in a year")
    return say(
        f"近一年申请过{name}等{kinds}项相近的服务，共{count}次",
        f"asked for {kinds} related needs in a year, {_times(count)} in all, most often {name}",
    )


def _asked_anything(known: Known, schema: Schema, household: int, need: int) -> str:
    count = sum(asked_need != need for asked_need in _recent(known, household))
    if count < 2:
        return ""
    return say(f"近一年为别的事找过社区{count}次", f"asked for other things {_times(count)} in a year")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


KIND = ("本户申请过别的", "requests for other needs")  # what reasons of this block are called
ANYTHING = "anything"  # topic of a reason that says nothing about the need: told where there is no other
FACTS: dict[str, Callable[[Known, Schema, int, int], str]] = {
    "other_needs": _other_needs,
    "asked_anything": _asked_anything,
}
TELLING = {
    "other_needs": Telling("other_requests", "home"),
    "asked_anything": Telling(ANYTHING, "list"),
}
