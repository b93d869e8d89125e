"""Turn a mapped ledger into records of requests, visits, persons or warnings, with the place of each in its file."""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from features.contract.refusing_words import NOES, may_refuse_visits, refuses, refuses_visits
from features.contract.spoken_values import ABOVE, plain, read_truth
from features.ingest.checks import no_refusal
from features.language import say
from features.linking.mentions import mentions
from features.mapping.column_content import cell_text
from features.mapping.doubts import doubt_of_refusal, with_doubts
from features.mapping.ledger_sheets import LedgerSheet, read_ledger
from features.mapping.mapping_file import Layout, Mapping, check_layouts, lists_refusals
from features.mapping.moments import DATE_PARTS, Period, period_in, read_when
from features.mapping.propose import sheet_period
from features.mapping.ticks import option_of, tick

TEXTS = tuple(
    """
    household_id record_id person householder phone id_card address grid microgrid channel category text
    result status resolved_at visited refusal confidential satisfaction warned_of worker relation birth
    age age_on valid_from valid_until tags
    """.split()
)
TIMES = ("happened_at", "deadline")
SOURCE = ("source_file", "source_sheet", "source_row", "entry")
COLUMNS = (*SOURCE, "shape", *TEXTS, *TIMES, "attributes", "aside", "doubt")
EVENTS = ("requests", "visits", "days", "warnings", "refusals")
_JOINED = {
    "text": "。",
    "title": "。",
    "category": "/",
    "tags": "、",
    "phone": " ",
    "result": "；",
    "warned_of": "；",
}
_NOT_YET = re.compile(r"^(?:未|待|没有?|尚未|计划)(?:走访|入户|见面|核查|去|到)?$|^否$|^×$")
_FOR_ALL = re.compile(r"^(?:等|两户|三户|几户|各户)?.{0,4}(?:均|都|皆|一致|共同)")
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]{0,300}>|https?://[^\s<>，。；]+")
NOTHING = ("无", "没有", "暂无", "无。", "没有。", "无意见", "没有意见", "无建议", "暂时没有", "/", "-")
_WHO = ("household_id", "address", "person", "phone", "id_card")  # fields that tell whose a row is
_ROOM = re.compile(r"(?<!\d)(\d{3,4})(?![\d室房号幢栋单-])")  # a bare number of a room
_REPEATED = re.compile(r"\.\d+$")


@dataclass(frozen=True)
class Row:
    """A row of a sheet by its columns' names, with where it stands."""

    line: int
    cells: dict[str, Any]
    note: bool
    struck: bool = False


def take_rows(path: Path, mapping: Mapping, zone: str) -> pd.DataFrame:
    """Read a ledger by its mapping.

    path: the ledger.
    mapping: how it is read.
    zone: the community's timezone.

    Returns ``COLUMNS``, one row for each record; ``entry`` counts the records of a source row from 0 on. ``aside``
    says why a record cannot be used, "" for one that can; ``doubt`` what is odd about it. Every row of every sheet
    has a record. Texts are "" where nothing stands, times NaT.
    Raises UserError: the file cannot be read, or its columns are not those that the mapping knows.
    """
    records: list[dict[str, Any]] = []
    for sheet, layout in check_layouts(path, read_ledger(path), mapping):
        records += [*_refusing_comments(path, sheet), *_list_of_refusals(path, sheet, layout)]
        if layout is None:
            records += _not_read(path, sheet)
            continue
        rows = list(_rows(sheet, layout))
        dated = zip(rows, _periods(rows, layout, zone, sheet_period(path, sheet)), strict=True)
        here = [
            {**_place(path, sheet, row.line, at), "shape": layout.shape, **entry}
            for row, period in dated
            for at, entry in enumerate(_records(row, layout, zone, period))
        ]
        records += with_doubts(sheet.name, here)
    table = pd.DataFrame(records, columns=list(COLUMNS))
    texts = [*TEXTS, "aside", "doubt"]
    table[texts] = table[texts].astype(object).fillna("")
    return table.assign(**{name: pd.to_datetime(table[name]) for name in TIMES})


def _not_read(path: Path, sheet: LedgerSheet) -> Iterator[dict[str, Any]]:
    """Yield a record that is set aside for each row of a sheet without a layout."""
    no_header, not_chosen = ("没有找到表头", "it has no header"), ("map 时没有选它", "it was not chosen")
    zh, en = not_chosen if sheet.names else no_header
    aside = say(f"工作表 {sheet.name} 没有读：{zh}", f"sheet {sheet.name} is not read: {en}")
    for line, row in zip(sheet.lines, sheet.rows, strict=True):
        yield {**_place(path, sheet, line), "shape": "", "aside": aside, "text": _said(row)}


def _place(path: Path, sheet: LedgerSheet, line: int, entry: int = 0) -> dict[str, Any]:
    """Return where a record stands: the columns of ``SOURCE``."""
    return dict(zip(SOURCE, (path.name, sheet.name, line, entry), strict=True))


def _said(row: Sequence[Any]) -> str:
    """Return all that is said in a row."""
    return " ".join(dict.fromkeys(cell_text(cell) for cell in row if cell != ""))


def _refusing_comments(path: Path, sheet: LedgerSheet) -> Iterator[dict[str, Any]]:
    """Yield a record that is set aside for each comment that may refuse visits, and for such a title."""
    if may_refuse_visits(sheet.title, request=False):
        aside = say("是表头上面的话，不是记录", "words above the header are no record")
        yield {**_place(path, sheet, 1), "shape": "", "aside": aside, "text": sheet.title}
    for line, said in sheet.comments:
        if may_refuse_visits(said, request=False):
            aside = say(
                "是批注，没有读：请写进谢绝表，再删去批注",
                "a comment is not read: put it into opt_outs, and delete the comment",
            )
            yield {**_place(path, sheet, line), "shape": "visits", "aside": aside, "text": said.strip()}


def _list_of_refusals(path: Path, sheet: LedgerSheet, layout: Layout | None) -> Iterator[dict[str, Any]]:
    """Yield a record that is set aside for a sheet called a list of refusals that is not read as one."""
    if lists_refusals(path, sheet) and not (
        layout and (layout.shape == "refusals" or layout.named("refusal"))
    ):
        aside = say(
            "像是谢绝走访的名单，没有按谢绝读；请再运行 map，或加一列“是否拒访”",
            "seems to be a list of refusals and is not read as one: map it again, or add a column 是否拒访",
        )
        place = _place(path, sheet, sheet.header_line or 1)
        yield {**place, "shape": "visits", "aside": aside, "refusal": "是"}


def categories_of(sheets: Sequence[LedgerSheet], mapping: Mapping) -> list[str]:
    """List the distinct categories of a ledger's rows, as ``take_rows`` writes them."""
    layouts = [(sheet, layout) for sheet in sheets if (layout := mapping.layout_of(sheet))]
    cells = [
        _fields(row.cells, layout)
        for sheet, layout in layouts
        if layout.named("category")
        for row in _rows(sheet, layout)
        if not row.note
    ]
    return sorted({fields["category"] for fields in cells if "category" in fields})


def _rows(sheet: LedgerSheet, layout: Layout) -> Iterator[Row]:
    """Yield the rows of a sheet; blanks and signs for "as above" take what stands above them where that is meant."""
    names = [(at, name) for at, name in enumerate(sheet.names) if name]
    above: dict[str, Any] = {}
    for number, (line, cells) in enumerate(zip(sheet.lines, sheet.rows, strict=True)):
        if number in sheet.notes:
            yield Row(line, {"": _said(cells)}, note=True)
            continue
        row = {name: cells[at] if at < len(cells) else "" for at, name in names}
        for name, value in row.items():
            repeats = value in ABOVE or (value == "" and name in layout.carried_down)
            row[name] = above.get(name, "") if repeats else value
        above = row
        yield Row(line, row, note=False, struck=number in sheet.struck)


def _periods(rows: Sequence[Row], layout: Layout, zone: str, period: Period) -> list[Period]:
    """Return the period of each row: the sheet's, or of a row without a year the one year in which its day lies between
    the days above and below it, in a sheet whose days are in order.
    """
    columns = layout.named("happened_at")
    found = [None if row.note else _first_time(row.cells, columns, zone, period) for row in rows]
    days = [day for day in found if day]
    if period.year or days != sorted(days):
        return [period] * len(rows)
    above = pd.Series(found, dtype=object).ffill()
    below = pd.Series(found, dtype=object).bfill()
    periods = []
    for row, day, first, last in zip(rows, found, above, below, strict=True):
        years = range(first.year, last.year + 1) if first and last and not (day or row.note) else ()
        fitting = [
            Period(year, period.month)
            for year in years
            if (read := _first_time(row.cells, columns, zone, Period(year, period.month)))
            and first <= read <= last
        ]
        periods.append(fitting[0] if len(fitting) == 1 else period)
    return periods


def _records(row: Row, layout: Layout, zone: str, period: Period) -> Iterator[dict[str, Any]]:
    """Yield the records of a row: one, or one for each door of a day."""
    if row.note:
        text = row.cells[""]
        zh, en = "不是记录，是表里的说明、示例或合计", "a note, an example or a sum, no record"
        aside = say(f"{zh}：{text[:20]}", f"{en}: {text[:20]}")
        yield {"shape": "", "aside": aside, "text": text}
        return
    record = _fields(row.cells, layout)
    record["address"] = _address(row.cells, layout) or record.get("address", "")
    when, unread = _when(row.cells, layout, zone, period)
    record |= {
        "happened_at": when,
        "deadline": _first_time(row.cells, layout.named("deadline"), zone, period),
    }
    record |= _register_days(row.cells, layout, zone, period)
    kept = "ignored" if layout.shape in EVENTS else "attribute"  # what nothing reads may still refuse
    record["attributes"] = {
        _REPEATED.sub("", name): cell_text(row.cells[name])
        for name in layout.named(kept)
        if row.cells[name] != ""
    }
    day = period.last_day()
    record["age_on"] = day.isoformat() if day else ""
    struck = say("有划掉的格：仍有效的请去掉删除线", "a cell is struck through: unstrike it where it holds")
    record["aside"] = struck if row.struck else _aside(record, layout, unread)
    if layout.shape == "refusals" and not record["aside"]:
        record["doubt"] = doubt_of_refusal(record, unread)
    doors = mentions(_ROOM.sub(r"\1室", record["address"])) if _refuses_here(record, layout) else ()
    if len(doors) > 1:  # a cell that names several refuses for each of them
        yield from ({**record, "address": door.address, "person": door.person or ""} for door in doors)
    elif layout.shape == "days" and not record["aside"]:
        yield from _entries(record)
    else:
        yield record


def _refuses_here(record: dict[str, Any], layout: Layout) -> bool:
    """Whether a record that can be used refuses visits at the doors of its address."""
    if record["aside"] or layout.shape not in ("refusals", "visits", "requests"):
        return False
    said = f"{record.get('category', '')} {record.get('text', '')}"
    return bool(record.get("refusal")) or refuses_visits(said, layout.shape == "requests")


def _fields(cells: dict[str, Any], layout: Layout) -> dict[str, Any]:
    """Collect the texts of each field; the columns of one field are joined."""
    values: dict[str, Any] = {}
    for column in layout.header:
        field = layout.columns.get(column, "ignored")
        text = cell_text(cells.get(column, ""))
        if not text:
            continue
        field = "text" if field == "title" else field
        if field == "ignored" and refuses_visits(text, layout.shape == "requests"):
            values["refusal"] = "是"
        if field == "refusal":
            holds = plain(text) not in NOES if layout.shape == "refusals" else refuses(column, text)
            text = "是" if holds else "否" if layout.shape == "refusals" else values.get("refusal", "")
        if field == "text" and (option := option_of(column)[1]) and (ticked := tick(text)) is not None:
            text = option if ticked else ""
        if field in ("text", "result") and not (text := _words(text)):
            continue
        if field == "tags":
            text = "、".join(
                tag for tag in re.split(f"[{re.escape(layout.split_tags)}]", text) if tag.strip()
            )
        if field in values and text not in values[field]:
            text = f"{values[field]}{_JOINED.get(field, ' ')}{text}"
        if field in TEXTS:
            values[field] = text
    return values


def _words(text: str) -> str:
    """Return what is said in a cell, without the marks of a web page; "" where it says that there is nothing.

    >>> _words("&nbsp;水管漏水&lt;br/&gt;请修 https://img.example.com/1.jpg"), _words("<p>无</p>")
    ('水管漏水 请修', '')
    """
    for _ in range(2):  # exports write &amp;nbsp; as well
        text = html.unescape(text) if "&" in text else text
    text = " ".join(_MARKUP.sub(" ", text).split()) if _MARKUP.search(text) else text.strip()
    return "" if text in NOTHING else text


# a door's columns in the order in which they are written, with the word that follows a bare number
_DOOR = {"estate": "", "address": "", "building": "幢", "unit": "单元", "room": "室"}
# an address that is only a place within a building
_WITHIN = re.compile(r"\d+ *(?:单元|室)|\d{1,4}(?:-\d{1,4})?$")


def _address(cells: dict[str, Any], layout: Layout) -> str:
    """Put a door together from its columns: 西山花园 + 3 + 2 + 501 is 西山花园3幢2单元501室."""
    parts: list[str] = []
    written = "".join(cell_text(cells.get(column, "")) for column in layout.named("address"))
    within = _WITHIN.match(written) is not None
    order = ("estate", "building", "unit", "address", "room") if within else _DOOR
    for field in order:
        unit = _DOOR[field]
        for column in layout.named(field):
            text = cell_text(cells.get(column, ""))
            told = parts if field == "estate" or (field == "address" and not within) else ()
            if text and not any(text in part for part in told):  # 1 is no part of 12幢
                parts.append(
                    f"{text}{unit}" if re.fullmatch(r"[0-9A-Za-z一二三四五六七八九十]+", text) else text
                )
    return "".join(parts)


def _when(cells: dict[str, Any], layout: Layout, zone: str, period: Period) -> tuple[datetime | None, str]:
    """Read when a row happened; the second value is the text of a time that cannot be read."""
    columns = layout.named("happened_at")
    moment = _first_time(cells, columns, zone, period)
    unread = next((cell_text(cells[name]) for name in columns if cells[name] != ""), "")
    if moment is None and not unread and layout.day_of_month == "last" and (day := period.last_day()):
        return datetime(day.year, day.month, day.day), ""
    return moment, "" if moment else unread


def _register_days(cells: dict[str, Any], layout: Layout, zone: str, period: Period) -> dict[str, str]:
    """Read from when and until when a row of a register holds: 2023.5 from the first or until the last day of May."""
    days = {}
    for field in ("valid_from", "valid_until") if layout.shape not in EVENTS else ():
        for name in layout.named(field)[:1]:
            moment = read_when(cells[name], zone, period)
            month = period_in(cell_text(cells[name]))
            if moment is None and month.year and month.month:
                first = date(month.year, month.month, 1)
                day = first if field == "valid_from" else month.last_day() or first
                moment = datetime(day.year, day.month, day.day)
            if moment:
                days[field] = str(moment.date())
    return days


def _first_time(cells: dict[str, Any], columns: Sequence[str], zone: str, period: Period) -> datetime | None:
    """Read the first time that a row's columns tell; columns of year, month and day tell one together."""
    parts = [name for name in columns if name in DATE_PARTS]
    if len(parts) > 1:
        texts = {name: cell_text(cells[name]).removesuffix(name) for name in parts}
        return read_when("".join(f"{text}{name}" for name, text in texts.items() if text), zone, period)
    return next((when for name in columns if (when := read_when(cells[name], zone, period))), None)


def _aside(record: dict[str, Any], layout: Layout, unread: str) -> str:
    """Say why a record cannot be used; "" for one that can."""
    if layout.shape != "refusals" and not any(record.get(field) for field in (*_WHO, "householder", "text")):
        return say("没有写是哪一户", "names no household")
    if layout.shape not in EVENTS:
        return ""
    if layout.shape == "refusals":
        return _no_refusal(record)
    if record["happened_at"] is None and layout.shape != "warnings":
        return (
            say(f"时间看不懂：{unread}", f"a time that cannot be read: {unread}")
            if unread
            else say("没有时间", "no time")
        )
    if read_truth(record.get("confidential", "")):
        return say(
            "居民要求保密：要读的话，把这一列改成 ignored",
            "to be kept confidential: make the column ignored to read it",
        )
    visited = plain(record.get("visited", ""))
    if visited and (_NOT_YET.match(visited) or read_truth(visited) is False):
        return say("还没有走访", "not visited yet")
    if layout.shape == "days":
        return "" if record.get("text") else say("没有内容", "nothing is written")
    if not any(record.get(field) for field in _WHO):
        return say("没有写是哪一户", "names no household")
    if layout.shape == "requests" and not (record.get("text") or record.get("category")):
        return say("没有内容", "nothing is written")
    return ""


def _no_refusal(record: dict[str, Any]) -> str:
    """Say why a row of a list of refusals cannot be used; every row refuses unless it says no, however little it says."""
    welcome = record.get("refusal") == "否"
    record["refusal"] = "" if welcome else "是"
    if welcome:
        return no_refusal()
    return "" if any(record.get(field) for field in _WHO) else say("没有写是哪一户", "names no household")


def _entries(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a record for each door that a day's text names; what is said of a list of doors holds for each of them."""
    places = mentions(record["text"])
    if not places:
        yield {**record, "aside": say("没有找到门牌", "no door is named")}
    said = [place.text for place in places]
    for at in range(len(places) - 2, -1, -1):
        after = said[at + 1]
        # of rooms without names the last one's refusal is everybody's
        if not said[at] and (
            _FOR_ALL.match(after) or (not places[at].person and refuses_visits(after, False))
        ):
            said[at] = after
    for place, text in zip(places, said, strict=True):
        yield {**record, "address": place.address, "person": place.person or "", "text": text}
