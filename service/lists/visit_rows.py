"""What a worker should know at the door: the plan's visits with household, need, programme and question."""

import re
from collections.abc import Iterable
from datetime import date

import numpy as np
import pandas as pd

from features.contract.community import Need
from features.language import say
from features.point_in_time.ages import YEAR
from features.point_in_time.records import Known, date_of, day_of, positions_of
from service.lists.answers import outcome_names
from service.lists.programmes import programmes_text

CONTACT_WORDS = ("address", "addr", "phone", "telephone", "mobile", "tel", "contact")
CONTACT_WORDS_ZH = ("地址", "住址", "门牌", "楼栋", "楼号", "单元", "房号", "电话", "手机", "联系")
BIRTH_COLUMN = re.compile("birth_(year|date)$")
CHILD, ELDER = 18, 60  # years: the members whose ages stand on a list


def describe(visits: pd.DataFrame, known: Known, history: pd.DataFrame | None = None) -> pd.DataFrame:
    """The visits with the texts of a list: contact, members, last_contact, need_name, programme, ask.

    ``history``: past courses of the programmes (``store.read_programme_history``), for the seats left.
    """
    household = positions_of(visits["household_id"], known.records.household_ids)
    needs = {need.id: need for need in known.community.needs}
    programmes = {one: programmes_text(need, known, history) for one, need in needs.items()}
    distinct = np.unique(household)
    members = dict(zip(distinct, _members(known, distinct), strict=True))
    contact = dict(zip(distinct, _contact(known, distinct), strict=True))
    last = _last_contacts(known, distinct)
    return visits.assign(
        contact=[contact[one] for one in household],
        members=[members[one] for one in household],
        last_contact=[last.get(one, "") for one in household],
        need_name=[needs[one].name.here for one in visits["need"]],
        programme=[programmes[one] for one in visits["need"]],
        ask=[_ask(needs[one]) for one in visits["need"]],
    )


def _ask(need: Need) -> str:
    if need.ask and need.ask.here:
        return need.ask.here
    return say("近期需要吗？几个人、什么时候？", "Needed soon? For whom, and when?")


def _members(known: Known, households: np.ndarray) -> list[str]:
    """Ages of the children and elders of each household: of its residents, else of its own birth dates."""
    rows = known.resident_rows
    rows = rows[np.isin(known.residents.household[rows], households)]
    born: dict[int, list[float]] = {}
    for household, day in zip(known.residents.household[rows], known.residents.born[rows], strict=True):
        born.setdefault(int(household), []).append(float(day))
    own = [column for name, column in known.households.attributes.items() if BIRTH_COLUMN.search(name)]
    texts = []
    for household in households:
        row = known.household_row[household]
        days = born.get(int(household)) or [_birth(column.at(row)) for column in own]
        ages = sorted(int((known.as_of - day) // YEAR) for day in days if np.isfinite(day))
        parts = [
            say(f"{zh}{_joined(found)}岁", f"{en} {_joined(found)}")
            for zh, en, found in (
                ("孩子", "child", [age for age in ages if 0 <= age < CHILD]),
                ("老人", "elder", [age for age in ages if age >= ELDER]),
            )
            if found
        ]
        texts.append(say("，", "; ").join(parts))
    return texts


def _birth(text: str | None) -> float:
    """The day of a birth year (its middle, as for residents) or birth date; NaN for anything else."""
    try:
        text = str(text).strip()
        return float(day_of(date(int(text), 7, 1) if text.isdigit() else date.fromisoformat(text[:10])))
    except ValueError:
        return np.nan


def _joined(ages: list[int]) -> str:
    return say("、", ", ").join(map(str, ages))


def contact_columns(names: Iterable[str]) -> list[str]:
    """The attributes that say where a household lives or how to call it, by their names."""
    return [
        name
        for name in names
        if any(word in CONTACT_WORDS for word in name.lower().split("_"))
        or any(word in name for word in CONTACT_WORDS_ZH)
    ]


def _contact(known: Known, households: np.ndarray) -> list[str]:
    attributes = known.households.attributes
    columns = [attributes[name] for name in contact_columns(attributes)]
    return [
        " ".join(filter(None, (column.at(row) for column in columns)))
        for row in known.household_row[households]
    ]


def _last_contacts(known: Known, households: np.ndarray) -> dict[int, str]:
    """When each of these households was last contacted, in which arm, about what and with which outcome.

    Sensitive needs are left out.
    """
    rows, names = known.outreach, list(outcome_names().values())
    needs = known.community.needs
    told = np.array([*(not need.sensitive for need in needs), True])[rows.need]
    told &= np.isin(rows.household, households)
    texts = {}
    for row in np.flatnonzero(told)[np.argsort(rows.contacted[told], kind="stable")]:
        arm = say("抽签", "by lot") if rows.random[row] else say("按预测", "targeted")
        need = needs[rows.need[row]].name.here if rows.need[row] >= 0 else ""
        outcome = names[rows.outcome[row]] if rows.outcome[row] >= 0 else say("结果未交", "no outcome yet")
        parts = [one for one in (arm, need, outcome) if one]
        texts[int(rows.household[row])] = f"{date_of(rows.contacted[row])} " + say("，", ", ").join(parts)
    return texts
