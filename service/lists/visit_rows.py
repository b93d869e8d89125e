"""Write what a worker should know and say at the door: household, need, programme, question, and who is calling."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from features.contract.attribute_values import births
from features.contract.community import Community, Need, Programme
from features.language import joined_names, say
from features.point_in_time.records import Known
from features.point_in_time.spoken import spoken_date, spoken_day
from features.rows.tables import positions_of
from features.units import JULIAN_YEAR, WEEK
from models.demand.programmes import programmes_for, runs_now
from models.demand.seats import seats_left, seats_told
from service.lists.answers import outcome_names

# Words in the names of attributes that say where a household lives, what it is called, and its telephone.
CONTACT = {
    "door": (("address", "addr", "door"), ("地址", "住址", "门牌", "楼栋", "楼号", "单元", "房号", "室号")),
    "surname": (("surname",), ("姓氏", "称呼")),
    "telephone": (("phone", "telephone", "mobile", "tel", "contact"), ("电话", "手机", "联系")),
}
SURNAME = re.compile("[\u4e00-\u9fff]{1,2}")
BIRTH_COLUMN = re.compile("birth_(year|date)$")
CHILD, ELDER = 18, 60  # years: the members whose ages stand on a list


def describe(visits: pd.DataFrame, known: Known, history: pd.DataFrame | None = None) -> pd.DataFrame:
    """Add the texts of a list to the visits.

    visits: one row for each household and need to visit, with ``household_id`` and ``need``.
    known: what was known on the as-of day.
    history: past courses of the programmes (``read_programme_history``), which tell how many seats are left.

    Returns ``visits`` with the text columns contact (door, surname, telephone), members, last_contact, need_name,
    programme and ask; where doors are known, in walking order.
    """
    household = positions_of(visits["household_id"], known.household_ids)
    needs = {need.id: need for need in known.community.needs}
    programmes = {need_id: programmes_text(need, known, history) for need_id, need in needs.items()}
    distinct = np.unique(household)
    members = dict(zip(distinct, _members(known, distinct), strict=True))
    contact = dict(zip(distinct, _contact(known, distinct), strict=True))
    last = _last_contacts(known, distinct)
    described = visits.assign(
        contact=[contact[home] for home in household],
        members=[members[home] for home in household],
        last_contact=[last.get(home, "") for home in household],
        need_name=[needs[visit].name.here for visit in visits["need"]],
        programme=[programmes[visit] for visit in visits["need"]],
        ask=[_ask(needs[visit]) for visit in visits["need"]],
    )
    return _in_walking_order(described)


def _ask(need: Need) -> str:
    if need.ask and need.ask.here:
        return need.ask.here
    return say("近期需要吗？几个人、什么时候？", "Needed soon? For whom, and when?")


def _members(known: Known, households: np.ndarray) -> list[str]:
    """Write the ages of each household's children and elders, from its residents or else its own birth dates."""
    rows = known.resident_rows
    rows = rows[np.isin(known.residents.household[rows], households)]
    born: dict[int, list[float]] = {}
    for household, day in zip(known.residents.household[rows], known.residents.born[rows], strict=True):
        born.setdefault(int(household), []).append(float(day))
    birth_columns = [
        column for name, column in known.households.attributes.items() if BIRTH_COLUMN.search(name)
    ]
    texts = []
    for household in households:
        row = known.household_row[household]
        days = born.get(int(household)) or births(
            np.array([column.at(row) or "" for column in birth_columns])
        )
        ages = sorted(int((known.as_of - day) // JULIAN_YEAR) for day in days if np.isfinite(day))
        parts = [
            say(f"{zh}{joined_names(ages)}岁", f"{en} {joined_names(ages)}")
            for zh, en, ages in (
                ("孩子", "child", [age for age in ages if 0 <= age < CHILD]),
                ("老人", "elder", [age for age in ages if age >= ELDER]),
            )
            if ages
        ]
        texts.append(say("，", "; ").join(parts))
    return texts


def contact_columns(names: Iterable[str]) -> list[str]:
    """Select the attributes that say where a household lives or how to call it, by their names: the door first, then the
    surname, then telephones.

    >>> contact_columns(["phone", "children", "surname", "address"])
    ['address', 'surname', 'phone']
    """
    names = list(names)
    return [name for kind in CONTACT for name in names if _contact_kind(name) == kind]


def _contact_kind(name: str) -> str:
    for kind, (words, words_zh) in CONTACT.items():
        if {*name.lower().split("_")} & {*words} or any(word in name for word in words_zh):
            return kind
    return ""


def _contact(known: Known, households: np.ndarray) -> list[str]:
    attributes = known.households.attributes
    columns = [(_contact_kind(name), attributes[name]) for name in contact_columns(attributes)]
    return [
        " ".join(text for kind, column in columns if (text := _called(kind, column.at(row) or "")))
        for row in known.household_row[households]
    ]


def _called(kind: str, value: str) -> str:
    """A surname as neighbours say it: 王家."""
    return f"{value}家" if kind == "surname" and SURNAME.fullmatch(value) else value


def _in_walking_order(visits: pd.DataFrame) -> pd.DataFrame:
    """Sort each worker's visits by micro-grid and door, where doors are known, and number them anew."""
    if not {"worker", "visit_order"} <= {*visits.columns} or not (visits["contact"] != "").any():
        return visits
    keys = [
        (worker, microgrid, *_natural(contact), order)
        for worker, microgrid, contact, order in zip(
            visits["worker"], visits["microgrid_id"], visits["contact"], visits["visit_order"], strict=True
        )
    ]
    place = {worker: at for at, worker in enumerate(dict.fromkeys(visits["worker"]))}
    order = sorted(range(len(keys)), key=lambda at: (place[keys[at][0]], keys[at][1:], at))
    visits = visits.iloc[order].reset_index(drop=True)
    first = ~visits.duplicated(["worker", "household_id"])
    return visits.assign(visit_order=first.groupby(visits["worker"]).cumsum().astype("int64"))


def _natural(text: str) -> tuple[tuple[tuple[int, str], ...]]:
    """A key by which 3栋2单元 comes before 12栋1单元: numbers count as numbers."""
    parts = re.findall(r"\d+|\D+", text)
    return (tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts),)


def _last_contacts(known: Known, households: np.ndarray) -> dict[int, str]:
    """Write when each household was last contacted, in which arm, about what and with which outcome.

    Sensitive needs are left out.
    """
    rows, names = known.outreach, list(outcome_names().values())
    needs = known.community.needs
    tellable = np.array([*(not need.sensitive for need in needs), True])[rows.need]
    tellable &= np.isin(rows.household, households)
    texts = {}
    for row in np.flatnonzero(tellable)[np.argsort(rows.contacted[tellable], kind="stable")]:
        arm = say("抽签", "by lot") if rows.random[row] else say("按名单", "targeted")
        need = needs[rows.need[row]].name.here if rows.need[row] >= 0 else ""
        outcome = names[rows.outcome[row]] if rows.outcome[row] >= 0 else say("结果还没交", "no outcome yet")
        parts = [column for column in (arm, need, outcome) if column]
        texts[int(rows.household[row])] = f"{spoken_date(rows.contacted[row], known.as_of)} " + say(
            "，", ", "
        ).join(parts)
    return texts


def programmes_text(need: Need, known: Known, history: pd.DataFrame | None = None) -> str:
    """List the programmes that run before the end of a need's window, one on each line, with the seats left.

    ``history``: past courses of the programmes, as in ``describe``.
    """
    ends = known.as_of + WEEK * (need.lead_weeks + need.horizon_weeks)
    programmes = programmes_for(known.community, need.id, known.as_of, ends)
    return "\n".join(_programme_text(programme, known, history) for programme in programmes)


def _programme_text(programme: Programme, known: Known, history: pd.DataFrame | None) -> str:
    details = [_seats(programme, known, history)]
    if programme.opens or programme.closes:
        details.append(open_from_to(programme))
    if programme.enrol_until:
        until = spoken_day(programme.enrol_until)
        details.append(say(f"报名到{until}", f"enrol until {until}"))
    details.append(programme.organiser)
    inside = say("，", ", ").join(detail for detail in details if detail)
    name = programme.name.here
    return say(f"{name}（{inside}）", f"{name} ({inside})") if inside else name


def open_from_to(programme: Programme) -> str:
    """Write from which day to which a programme is open; what is not set is left out."""
    return "～".join(spoken_day(day) if day else "" for day in (programme.opens, programme.closes))


def _seats(programme: Programme, known: Known, history: pd.DataFrame | None) -> str:
    seats, taken = seats_told(programme, known, history)
    left = seats_left(programme, known, history)
    if seats is None or left is None:
        return ""
    if taken is not None:
        return say(f"{seats} 个名额，剩 {left}", f"{seats} seats, {left} left")
    if not runs_now(programme, known):  # not open yet: all are left
        return say(f"{seats} 个名额", f"{seats} seats")
    if not left:
        return say(f"{seats} 个名额可能已满", f"{seats} seats, perhaps all taken")
    return say(f"{seats} 个名额，约剩 {left}", f"{seats} seats, about {left} left")


def script(community: Community) -> str:
    """Write what to say at the door: who calls, where the information comes from, and how to refuse."""
    identity = community.community
    name, phone = identity.name, identity.phone
    check = say(
        f"不放心可以先打社区电话 {phone} 核实" if phone else "不放心可以先向社区核实",
        f"To be sure, call the community at {phone} first"
        if phone
        else "To be sure, ask the community first",
    )
    return say(
        f"您好，我是{name}的工作人员（上门请出示工作证，打电话请报姓名）。社区根据您家登记的情况和以前跟社区提过的事，"
        f"来问问您最近有没有什么需要。不收费、不推销，不问银行卡、密码和验证码。{check}。您也可以不说；"
        "以后不想让人这样来问，现在跟我说一声就行，社区记下来，不再联系，不影响您享受任何服务。",
        f"Hello, I work for {name} (at the door show your card, on the telephone give your name). From what your"
        " household registered with the community and asked it for before, we come to ask whether you need"
        f" something. It costs nothing; we never ask about bank details, passwords or codes. {check}. You need"
        " not answer, and if you want no such visits, tell me: we note it and do not come again. No service"
        " depends on it.",
    )


def as_rows(table: pd.DataFrame, names: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Turn a table into one dictionary a row, with the columns ``names`` (default: all).

    >>> as_rows(pd.DataFrame({"need": ["meals", "care"], "seats": [3, 4]}))
    [{'need': 'meals', 'seats': 3}, {'need': 'care', 'seats': 4}]
    """
    # By column: with texts held by Arrow this takes a quarter of the time of to_dict("records").
    names = list(table.columns if names is None else names)
    columns = [table[name].to_list() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
