"""Compose the contract's tables of a ledger's rows: whose they are, what they ask for, and what waits for people."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import pandas as pd

from features.contract.refusing_words import may_refuse_visits, refuses_visits
from features.contract.spoken_values import OPEN, SETTLED, VOID, plain
from features.contract.table_names import names_refusal
from features.language import say
from features.mapping.take_rows import SOURCE
from service.ledgers.households_of_rows import SURE, Register, households_of
from service.ledgers.needs_of_rows import NeedReader, need_of_categories, needs_spoken_of
from service.lists.answers import OUTCOME_OF, plain_words

LOADED, REVIEW, ASIDE = "loaded", "review", "aside"
CERTAIN = 0.99  # chance of a household from which a refusal binds no other candidate
SHORTEST_ID = 5  # letters of an id that is no mere number of a row
VISIT_CHANNEL = ("走访", "visit")
_NO_WISH = re.compile(  # what a visit's note says of a home that wants nothing
    r"(?:(?:一切|身体|家[中里]|目前|情况|暂时?|现在?|生活|状况)*(?:无|没有?|正常|良好|健康|平安|稳定|尚可|较好|很好|不在家?|没人|无人|未遇)"
    r"(?:在家|应答|人|诉求|需求|需要|困难|问题|异常|变化|特殊|情况)*[，,。；;、\s]*)+"
)
_SILENT = ("warnings", "refusals")  # shapes of rows in which nobody asks for anything
_NO_ANSWERS = ("", "warnings")  # shapes of rows that are no record of what a household said
_WHOSE = ("household_id", "address", "person", "phone", "happened_at")
_SAYING = ("category", "text", "visited", "status", "result")
_SETTLED = re.compile(r"^已?(?:办结|完成|解决|处理|答复|回复|销号|办理)(?:完毕)?$")


@dataclass
class Composed:
    """What became of a ledger's rows.

    ``tables``: rows of the contract's tables, with the position of their event in ``record``. ``events``: the events with
    household_id, candidates, verdict, link_reason, ``state`` (loaded, review or aside), ``why``, and ``need_open``: of a
    loaded event whether its text may ask for more than was recognised. ``unsure_texts``: texts whose need nobody
    is sure of. ``unread_refusals``: lines on refusals of which nobody can tell whose they are. ``may_refuse``: lines on
    rows that may refuse.
    """

    tables: dict[str, list[dict[str, Any]]]
    events: pd.DataFrame
    unsure_texts: pd.DataFrame
    warnings: list[dict[str, Any]] = field(default_factory=list)
    unread_refusals: list[str] = field(default_factory=list)
    may_refuse: list[str] = field(default_factory=list)


def compose(events: pd.DataFrame, register: Register, reader: NeedReader) -> Composed:
    """Make the contract's rows of requests, visits and warnings.

    events: usable rows of ``take_rows`` of shapes requests, visits, days and warnings, and ``event_id``.
    register: whom they can be of.
    reader: how needs are read.
    """
    events = events.reset_index(drop=True)
    written = events["household_id"]
    events = events.drop(columns=["household_id"]).join(households_of(events, register))
    needs, unsure = needs_spoken_of(_speaking(events), reader)
    by_text = need_of_categories(events["category"], reader).isna()
    events = _with_states(events.assign(written=written), needs, unsure, by_text, register)
    composed = Composed({"requests": [], "outreach": [], "feedback": [], "opt_outs": []}, events, unsure)
    of_event: dict[int, list[str]] = {}
    for event, need in needs[["event", "need"]].itertuples(index=False):
        of_event.setdefault(event, []).append(need)
    for place, event in enumerate(events.to_dict("records")):
        add_refusals(composed, place, event)
        if event["state"] == LOADED:
            _load(composed, place, event, of_event.get(place, []))
    return composed


def erased_words() -> str:
    """Say why the rows of a household that was deleted are not taken."""
    return say("已应要求删除的住户", "of a household that was deleted at its wish")


def _no_need_words() -> str:
    return say(
        "不是这一户的需求，或 categories.yaml 里标了 null",
        "no need of the household, or null in categories.yaml",
    )


def event_ids(records: pd.DataFrame) -> pd.Series:
    """Name each event: by the ledger's own id where that is one, or else by what the row says.

    The same row in another file, or in the same one read again, has the same id; of equal rows in one file the second is
    another event.
    """
    numbers = records["record_id"]
    by_file = records.groupby(["source_file", "record_id"])["record_id"].transform("size")
    usable = (numbers.str.len() >= SHORTEST_ID) & (by_file == 1)
    said = [
        "shape",
        "household_id",
        "address",
        "person",
        "phone",
        "category",
        "text",
        "result",
        "warned_of",
        "happened_at",
    ]
    digest = pd.Series(
        [
            blake2b("\x1f".join(map(str, row)).encode(), digest_size=6).hexdigest()
            for row in records[said].to_numpy()
        ],
        index=records.index,
        dtype=object,
    )
    again = records.assign(digest=digest).groupby(["source_file", "digest"]).cumcount()
    made = "L" + digest + again.map(lambda count: f"-{count + 1}" if count else "")
    return numbers.where(usable, made)


def _speaking(events: pd.DataFrame) -> pd.DataFrame:
    """Return the events with the text in which a need may stand: of a visit without one, what it found."""
    visits = events["shape"].isin(["visits", "days"]) & (events["text"] == "")
    return events.assign(text=events["text"].mask(visits, events["result"]))[["category", "text"]].loc[
        ~events["shape"].isin(_SILENT)
    ]


def _with_states(
    events: pd.DataFrame, needs: pd.DataFrame, unsure: pd.DataFrame, by_text: pd.Series, register: Register
) -> pd.DataFrame:
    """Add what becomes of each event, and why where it is not loaded.

    events: with the columns of ``households_of``.
    needs: event and need of each pair.
    unsure: the texts of whose need nobody is sure.
    by_text: bool for each event, whether its text decides and not its category.
    register: whom they can be of.
    """
    sure = events["verdict"].isin(SURE)
    erased = events["household_id"].isin(register.erased)
    nobody = sure & events["household_id"].isna()  # somebody decided that it is nobody of the register
    asks = events["shape"] == "requests"
    silent = asks & ~events.index.isin(needs["event"])
    said = events["text"].where(events["text"] != "", events["category"])
    doubtful = silent & by_text & said.isin(unsure["text"])
    state = pd.Series(LOADED, index=events.index, dtype=object)
    why = pd.Series("", index=events.index, dtype=object)
    for rows, name, words in (
        (silent, ASIDE, _no_need_words()),
        (doubtful, REVIEW, say("需求拿不准", "its need is not sure")),
        (erased, ASIDE, erased_words()),
        (nobody, ASIDE, say("已确认不是本社区登记的住户", "decided to be nobody of the register")),
    ):
        state[rows], why[rows] = name, words
    unplaced = ~sure
    state[unplaced] = REVIEW
    unsure_of: Any = [
        say(f"是哪一户拿不准：{reason}", f"its household is not sure: {reason}")
        if candidates
        else say(f"登记表里没有这个户号：{written}", f"no household has this number: {written}")
        if written
        else say("登记表里没有找到这一户", "no such household in the register")
        for candidates, reason, written in events.loc[
            unplaced, ["candidates", "link_reason", "written"]
        ].to_numpy()
    ]
    why[unplaced] = unsure_of
    wishes = ~events["text"].map(lambda text: bool(_NO_WISH.fullmatch(plain(text)))).astype(bool)
    asked = (state == LOADED) & ~events["shape"].isin(_SILENT) & by_text & wishes
    need_open = asked & events["text"].isin(unsure["text"])
    return events.drop(columns="written").assign(state=state, why=why, need_open=need_open)


def _load(composed: Composed, place: int, event: dict[Any, Any], needs: list[str]) -> None:
    """Add the rows of one loaded event to the tables."""
    household = event["household_id"]
    if event["shape"] == "warnings":
        composed.warnings.append(_warning(event))
        return
    if event["shape"] == "refusals":  # nothing but the refusal
        return
    visit = event["shape"] != "requests"
    outcome = _outcome(event) if visit else None
    if visit and outcome and event["category"] and needs:
        composed.tables["outreach"] += [_visit(place, event, need, outcome) for need in needs]
        return
    composed.tables["requests"] += [_request(place, event, need, at) for at, need in enumerate(needs)]
    if visit:
        note = "；".join(part for part in (event["text"], event["result"]) if part)
        row = {
            "feedback_id": event["event_id"],
            "household_id": household,
            "recorded_at": _iso(event["happened_at"]),
        }
        mark = event["satisfaction"]
        composed.tables["feedback"].append(
            {"record": place, **row, "note": note or say("走访", "visit"), "satisfaction": mark}
        )


def _request(place: int, event: dict[str, Any], need: str, at: int) -> dict[str, Any]:
    visit = event["shape"] != "requests"
    return {
        "record": place,
        "request_id": f"{event['event_id']}/{need}" if at else event["event_id"],
        "household_id": event["household_id"],
        "requested_at": _iso(event["happened_at"]),
        "need": need,
        "text": event["text"] or event["category"],
        "channel": say(*VISIT_CHANNEL) if visit else event["channel"],
        "resolved_at": event["resolved_at"] or _settled(event["status"]) or _settled(event["result"]),
        "satisfaction": "" if visit else event["satisfaction"],
        **({say("状态", "state"): event["status"]} if VOID.match(event["status"]) else {}),
    }


def _visit(place: int, event: dict[str, Any], need: str, outcome: str) -> dict[str, Any]:
    return {
        "record": place,
        "outreach_id": f"{event['event_id']}/{need}",
        "household_id": event["household_id"],
        "need": need,
        "contacted_at": _iso(event["happened_at"]),
        "arm": "targeted",
        "outcome": outcome,
    }


def _warning(event: dict[str, Any]) -> dict[str, Any]:
    warned = event["warned_of"] or event["text"] or event["category"] or say("上级名单", "a list from above")
    return {
        "warning_id": event["event_id"],
        "household_id": event["household_id"],
        "received_at": event["happened_at"],
        "deadline": event["deadline"],
        "warned_of": warned,
        **{name: event[name] for name in SOURCE[:3]},
    }


def _outcome(event: dict[str, Any]) -> str | None:
    """Read what a visit found from the columns that say it in a word: 需要, 不在家."""
    words = (plain_words(event[column]) for column in ("result", "status", "visited") if event[column])
    return next(
        (OUTCOME_OF[word] for word in words if word in OUTCOME_OF and word not in ("是", "否", "有", "无")),
        None,
    )


def _settled(status: str) -> str:
    """Return what a state says of the settlement in words that ``ingest`` reads; "" where it says nothing."""
    word = plain(status)
    return word if word in SETTLED or word in OPEN else "已办结" if _SETTLED.match(word) else ""


def _iso(moment: pd.Timestamp) -> str:
    return "" if pd.isna(moment) else moment.isoformat(" ")


def add_refusals(composed: Composed, place: int, event: dict[Any, Any]) -> None:
    """Add the refusals that a row tells; one whose household is not certain binds all whom it may mean."""
    without_household = event["state"] == ASIDE and event["why"] != _no_need_words()
    if event["shape"] == "warnings" or without_household or not _refuses(event):
        return
    household = event["household_id"]
    certain = pd.notna(household) and event["chance"] >= CERTAIN
    bound: Iterable[str] = [household] if certain else event["candidates"]
    for home in bound:
        composed.tables["opt_outs"].append(
            {"record": place, "household_id": home, "from": _iso(event["happened_at"])}
        )
    if not bound and event["state"] == REVIEW:
        where = f"{event['source_file']} [{event['source_sheet']}]"
        line = event["source_row"]
        composed.unread_refusals.append(
            say(
                f"{where} 第 {line} 行写了谢绝走访，但不知道是哪一户",
                f"{where} line {line} tells a refusal of an unknown household",
            )
        )


def refusals_aside(aside: pd.DataFrame) -> list[str]:
    """Tell of rows that were set aside although they tell a refusal, which must not be lost with them."""
    rows = aside[~aside["shape"].isin(_NO_ANSWERS)]
    places = ["source_file", "source_sheet", "source_row", "aside"]
    told = rows.loc[[_refuses(row) for row in rows.to_dict("records")], places]
    return [
        say(
            f"{file} [{sheet}] 第 {line} 行写了谢绝走访，但这一行没有用：{why}",
            f"{file} [{sheet}] line {line} tells a refusal, but is set aside: {why}",
        )
        for file, sheet, line, why in told.to_numpy()
    ]


def perhaps_refusing(records: pd.DataFrame, aside: pd.DataFrame, composed: Composed) -> pd.DataFrame:
    """Return the rows that may refuse visits and were not taken as refusals: ``SOURCE``, what they say in ``said``, and
    a ``key`` that a row has in every file.

    records: all. aside: those that are set aside. composed: what became of the others.

    Of notes, of sheets that are not read and of warnings nothing is taken; of deleted households nothing is told.
    """
    events = composed.events
    usable = events.loc[(events["record"] >= 0) & (events["why"] != erased_words()), "record"]
    perhaps = []
    for row in [*aside.to_dict("records"), *records.loc[usable].to_dict("records")]:
        attributes = row["attributes"].values() if isinstance(row["attributes"], dict) else ()
        said = " ".join(dict.fromkeys(filter(None, [*(row[column] for column in _SAYING), *attributes])))
        taken = row["shape"] not in _NO_ANSWERS and _refuses(row)
        if not taken and may_refuse_visits(said, row["shape"] == "requests"):
            key = "\n".join([*(str(row[column]) for column in _WHOSE), said])
            perhaps.append({**{column: row[column] for column in SOURCE}, "said": said, "key": key})
    return pd.DataFrame(perhaps, columns=[*SOURCE, "said", "key"])


def _refuses(event: dict[Any, Any]) -> bool:
    """Whether a row of a visit or request tells that the household wants no visits."""
    said = f"{event['category']} {event['text']}"
    if event["shape"] == "requests":
        return bool(event["refusal"] or refuses_visits(said, request=True))
    words = " ".join(event[column] for column in ("visited", "status", "result"))
    return bool(event["refusal"] or names_refusal(words) or refuses_visits(said, request=False))
