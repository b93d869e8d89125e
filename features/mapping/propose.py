"""Propose how a ledger is read: the field of each column, by its name and by its cells, and the shape of each sheet."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from features.language import UserError, say
from features.mapping.column_content import FEW_WORDS, MOST, TAG_SIGNS, Content, content_of
from features.mapping.field_names import FIELDS, field_named
from features.mapping.ledger_sheets import LedgerSheet
from features.mapping.mapping_file import Layout, Mapping, Shape, file_pattern, lists_refusals
from features.mapping.moments import DATE_PARTS, Period, period_in
from features.mapping.ticks import options_among, ticked_by_day

SENTENCE = 10  # mean letters of a column from which it holds sentences
DAY_SHARE = 0.3  # share of cells with several doors from which a row is a day
BLANK = 0.05  # share of blanks from which a column repeats the cell above
# fields that one column of a sheet can stand for; the others are joined
SINGLE = frozenset(
    """
    household_id record_id id_card relation householder deadline satisfaction resolved_at status visited
    refusal confidential birth valid_from valid_until happened_at person building unit room estate
    microgrid grid channel age
    """.split()
)
# how somebody turned to the hotline, which tells no need
MANNERS = frozenset("诉求 咨询 投诉 求助 建议 意见 举报 表扬 感谢 投诉举报 其他".split())
REGISTER_FIELDS = ("relation", "birth", "id_card", "age")
_WARNING = re.compile(r"预警|核查名单|疑似|疑点|线索|比对|低收入人口.*(?:名单|监测)|监测对象")
_VISIT = re.compile(r"走访|入户|探访|民情|巡访|敲门|包联|包户")
_REQUEST = re.compile(r"12345|诉求|工单|热线|信访|投诉|留言|来电|来访|接访|事件|随手拍|问卷")
_REGISTER = re.compile(r"登记表|花名册|名册|信息表|人口|户籍|台账底册|住户信息|一户一档")
_OTHER_DAYS = re.compile(r"起始|开始|发证|办证|评定|享受|救助|发放|审批|保障|停发|残疾")
_AND_MORE = re.compile("[及和与、含或]|是否")  # in the name of a list of others, too
_ROOM = re.compile(r"[A-Za-z]?\d{1,4}(?:-\d{1,2})?[A-Za-z]?[室号房户]?")


@dataclass(frozen=True)
class Column:
    """A column with the field that is proposed for it, and why."""

    name: str
    field: str
    because: str
    content: Content


@dataclass(frozen=True)
class Proposal:
    """A proposed mapping, with the columns of each layout for people to look at."""

    mapping: Mapping
    columns: list[list[Column]]


def propose(
    path: Path, sheets: Sequence[LedgerSheet], zone: str, given: dict[str, str] | None = None
) -> Proposal:
    """Propose a mapping of a ledger's sheets.

    path: the file, whose name tells the year or the kind of ledger where the sheets do not.
    sheets: its tables (``read_ledger``); sheets with the same header share a layout.
    zone: the community's timezone.
    given: field by column, where somebody has decided already.

    Raises UserError: no sheet can be read as a ledger.
    """
    groups: dict[tuple[str, ...], list[LedgerSheet]] = {}
    for sheet in sheets:
        groups.setdefault(tuple(sorted(filter(None, sheet.names))), []).append(sheet)
    layouts, columns, unread = [], [], []
    for alike in groups.values():
        proposed = _columns(path, alike, zone, given or {})
        shape = _shape(path, alike, proposed)
        if shape is None:
            unread += [sheet.name for sheet in alike]
            continue
        proposed = _fitted(shape, proposed)
        columns.append(proposed)
        layouts.append(_layout(path, shape, alike, proposed))
    if not layouts and any(ticked_by_day(names) for names in groups):
        zh = f"{path}：一天一列打勾的表没有写谁要什么，不读；请移出数据目录"
        raise UserError(zh, f"{path}: a sheet ticked off by day does not say who asks for what; move it away")
    if not layouts:
        names = "、".join(name for name in sheets[0].names if name)
        raise UserError(
            f"{path}：看不出是哪种台账（列：{names}）；请用 --column 列=字段 指出住址、时间和内容各是哪一列",
            f"{path}: no kind of ledger is recognised (columns: {names}); say with --column NAME=FIELD which are the"
            " address, the time and the text",
        )
    return Proposal(
        Mapping(files=file_pattern(path.name), layouts=tuple(layouts), unread_sheets=tuple(unread)), columns
    )


def sheet_period(path: Path, sheet: LedgerSheet) -> Period:
    """Return what a sheet's name, its title and the file's name tell of its time."""
    return period_in(sheet.name).or_else(period_in(sheet.title)).or_else(period_in(path.stem))


def _columns(path: Path, sheets: Sequence[LedgerSheet], zone: str, given: dict[str, str]) -> list[Column]:
    """Propose a field for each named column."""
    period = sheet_period(path, sheets[0])
    columns = []
    for name in filter(None, sheets[0].names):
        cells = [
            row[at]
            for sheet in sheets
            for at in [sheet.names.index(name)]
            for number, row in enumerate(sheet.rows)
            if number not in sheet.notes and at < len(row)
        ]
        content = content_of(cells, zone, period)
        if name in given:
            columns.append(Column(name, given[name], say("您指定的", "given"), content))
            continue
        field, because = _by_content(*_by_name(name), content)
        columns.append(Column(name, field, because, content))
    return _one_each(_likeliest(_with_options(columns, given)))


def _with_options(columns: list[Column], given: dict[str, str]) -> list[Column]:
    """Take the columns of a dated sheet in which answers are ticked for what was said."""
    dated = any(column.field == "happened_at" for column in columns)
    ticked = options_among({column.name: column.content.samples for column in columns}) if dated else set()
    because = say("打勾的选项", "an answer that is ticked")
    return [
        Column(one.name, "text", because, one.content) if one.name in ticked - given.keys() else one
        for one in columns
    ]


def _likeliest(columns: list[Column]) -> list[Column]:
    """Take unknown columns for what a dated ledger lacks: who, by a name in 人, and what was said, by length."""
    fields = {column.field for column in columns}
    unknown = [column for column in columns if column.field == "attribute" and column.content.filled]
    found: dict[str, str] = {}
    if not fields & {"person", "householder"}:
        called = (one for one in unknown if one.name.endswith("人") and one.content.name >= MOST)
        found |= {one.name: "person" for one in [*called][:1]}
    if "happened_at" in fields and not fields & {"text", "title", "category", "result", "warned_of"}:
        spoken = [one for one in unknown if one.content.length >= SENTENCE and one.content.door < MOST]
        found |= {one.name: "text" for one in sorted(spoken, key=lambda one: -one.content.length)[:1]}
    because = say("看内容", "its cells")
    return [
        Column(one.name, found[one.name], because, one.content) if one.name in found else one
        for one in columns
    ]


def _by_name(name: str) -> tuple[str, str]:
    parts = [field_named(part) for part in reversed(name.split("/"))]
    known = next((part for part in parts if part), None)
    if known is None:
        return "attribute", say("列名没见过", "a name that is not known")
    return known[0], say("列名", "its name") if known[1] else say("列名里的词", "a word in its name")


def _by_content(field: str, because: str, content: Content) -> tuple[str, str]:
    """Correct what a column's name says by what its cells hold."""
    cells = say("看内容", "its cells")
    if not content.filled:
        return ("attribute" if field == "attribute" else field), because
    if content.id_card >= MOST:
        return "id_card", cells
    if content.link >= MOST:
        return "ignored", say("都是网址", "addresses of the web")
    if field not in ("record_id", "phone") and content.phone >= MOST and content.length < 16:
        return "phone", cells
    if field in ("text", "result") and content.state >= MOST and content.distinct <= FEW_WORDS:
        return "status", cells
    if field in ("status", "result") and content.when >= MOST:
        return "resolved_at", cells
    if field in ("warned_of", "refusal") and content.when >= MOST:
        return "happened_at", cells
    if field == "status" and content.state < 0.3 and content.length >= SENTENCE:
        return "result", cells
    if field == "resolved_at" and content.when < 0.3 and content.state >= MOST:
        return "status", cells
    if field == "category" and MANNERS.issuperset(content.samples):
        return "ignored", say("只说是诉求、咨询还是投诉", "only tells a wish from a question or a complaint")
    if field == "text" and _of_few_words(content):
        return "category", cells
    if field in ("category", "tags", "person") and content.length >= 2 * SENTENCE:
        return "text", cells
    if field == "happened_at" and content.when == 0 and content.door >= MOST:
        return "address", cells
    if field != "attribute":
        return field, because
    if content.when >= MOST:
        return "happened_at", cells
    if content.length >= 2 * SENTENCE:
        return "text", cells
    return ("address", cells) if content.door >= MOST else (field, because)


def _of_few_words(content: Content) -> bool:
    """Whether cells name one of a few categories each; an answer that ticks several things is no category."""
    few = content.length < 7 and content.common > 0 and content.distinct <= FEW_WORDS
    return few and content.tags < 0.1


def _one_each(columns: list[Column]) -> list[Column]:
    """Leave each single field to one column: the one with the best name and the most cells; the others are not read."""
    chosen = list(columns)
    for field in SINGLE:
        rivals = [at for at, column in enumerate(columns) if column.field == field]
        if len(rivals) < 2 or {columns[at].name for at in rivals} <= {*DATE_PARTS}:
            continue
        kept = min(rivals, key=lambda at: _rank(columns[at]))
        for at in rivals:
            if at != kept:
                because = say(
                    f"{FIELDS[field].zh}已有 {columns[kept].name}",
                    f"{columns[kept].name} is the {FIELDS[field].en}",
                )
                chosen[at] = Column(columns[at].name, "attribute", because, columns[at].content)
    return chosen


def _rank(column: Column) -> tuple[bool, bool, int]:
    """A key that is smallest for the column that stands for its field best."""
    words = FIELDS[column.field].words
    name = column.name.split("/")[-1]
    timely = column.field != "happened_at" or column.content.when >= MOST
    return not column.content.filled, not timely, words.index(name) if name in words else len(words)


def _shape(path: Path, sheets: Sequence[LedgerSheet], columns: list[Column]) -> Shape | None:
    """Tell what a row of these sheets is; None where they are no ledger."""
    fields = {column.field for column in columns}
    filled = {column.field for column in columns if column.content.filled}
    where = {"household_id", "address", "room", "person", "householder", "phone", "id_card"} & fields
    words = f"{path.stem} {sheets[0].name} {sheets[0].title}"
    said = {"text", "category", "title", "result"} & fields
    days = [column.name for column in columns if column.field == "happened_at"]
    dated = not all(map(_OTHER_DAYS.search, days)) or sheet_period(path, sheets[0]).month
    if ticked_by_day([column.name for column in columns]):
        return None
    if where and lists_refusals(path, sheets[0]) and not _AND_MORE.search(words):
        return "refusals"
    if dated and any(_many_doors(column.content, bool(where)) for column in columns):
        return "days"
    if where and ("warned_of" in fields or (_WARNING.search(words) and not {"relation"} & fields)):
        return "warnings"
    register = fields & {*REGISTER_FIELDS}
    if where and not ({"text", "title"} & fields and "happened_at" in fields):
        if (
            "person" in fields
            and register
            and ("relation" in fields or not said & filled or not dated or _REGISTER.search(words))
        ):
            return "persons"
        key = "household_id" if "household_id" in filled else "address"
        repeated = any(one.content.repeats for one in columns if one.field == key)
        homes = {"address", "room", "household_id"} & fields and not repeated
        listed = not dated and said & filled <= {"category"} and _REGISTER.search(words)
        if homes and (listed or not said & filled) and not _VISIT.search(words):
            return "persons" if "person" in fields and "relation" in fields else "households"
    if not where or not (said or "visited" in fields):
        return None
    if _VISIT.search(words) and not _REQUEST.search(words):
        return "visits"
    if _REQUEST.search(words):
        return "requests"
    return "visits" if "visited" in fields or any(_VISIT.search(one.name) for one in columns) else "requests"


def _fitted(shape: Shape, columns: list[Column]) -> list[Column]:
    """Fit the fields to the shape: only registers keep attributes, only days have their doors in the text."""
    register = shape in ("persons", "households")
    timed = any(column.field == "happened_at" for column in columns)
    built = any(column.field == "building" for column in columns)
    fitted = []
    for column in columns:
        field, because = column.field, column.because
        if built and field == "address" and all(map(_ROOM.fullmatch, column.content.samples or ("",))):
            field, because = "room", say("只有房号", "numbers of rooms only")
        elif shape == "days" and _many_doors(column.content, placed=False):
            field, because = "text", say("一格里有多户", "several doors in a cell")
        elif register and field in (
            "text",
            "title",
            "category",
            "status",
            "result",
            "channel",
            "satisfaction",
            "visited",
        ):
            field = "attribute"
        elif register and field == "happened_at" and _OTHER_DAYS.search(column.name):
            field, because = "attribute", say("不是登记的日期", "no date of the register")
        elif register and field == "happened_at":
            field, because = "valid_from", say("登记表的日期", "a date of the register")
        elif not register and field == "valid_from" and not timed:
            field, because = "happened_at", say("记录的日期", "a date of the record")
        elif register and field == "worker":
            field = "ignored"
        elif register and field == "attribute" and _several_tags(column.content):
            field, because = "tags", say("一格里有多个标签", "several tags in a cell")
        elif not register and field in ("attribute", "tags", "age", "birth", "relation"):
            field = "ignored"
        fitted.append(Column(column.name, field, because, column.content))
    return _with_person(shape, fitted)


def _many_doors(content: Content, placed: bool) -> bool:
    """Whether a column's cells tell of doors in sentences: several in a cell, or one where no other column tells it.

    ``placed``: whether another column says whose a row is.
    """
    return content.doors >= DAY_SHARE or (not placed and content.door >= MOST and content.length >= SENTENCE)


def _several_tags(content: Content) -> bool:
    return content.tags >= 0.1 and content.length < 2 * SENTENCE and content.common > 0 and content.door < 0.3


def _with_person(shape: Shape, columns: list[Column]) -> list[Column]:
    """Outside registers a householder is the person who is met, unless another column names one."""
    if shape in ("persons", "households") or any(column.field == "person" for column in columns):
        return columns
    return [
        Column(column.name, "person", column.because, column.content)
        if column.field == "householder"
        else column
        for column in columns
    ]


def _layout(path: Path, shape: Shape, sheets: Sequence[LedgerSheet], columns: list[Column]) -> Layout:
    """Put a layout together, with what holds for whole columns and for rows without a day."""
    period = sheet_period(path, sheets[0])
    timed = any(column.field == "happened_at" and column.content.filled for column in columns)
    month = shape not in ("persons", "households", "refusals") and not timed and period.month and period.year
    tags = next((column.content for column in columns if column.field == "tags"), None)
    return Layout(
        shape=shape,
        columns={column.name: column.field for column in columns},
        sheets=tuple(sheet.name for sheet in sheets),
        carried_down=_carried_down(shape, sheets, columns),
        split_tags=TAG_SIGNS if tags and " " in "".join(tags.samples) and tags.tags else f"{TAG_SIGNS} ",
        day_of_month="last" if month else "",
    )


def _carried_down(shape: Shape, sheets: Sequence[LedgerSheet], columns: list[Column]) -> tuple[str, ...]:
    """Find the columns that are filled in only once for the rows that share a value, as people do by hand."""
    fields = {
        "persons": (
            "household_id",
            "householder",
            "address",
            "estate",
            "building",
            "unit",
            "room",
            "grid",
            "microgrid",
        ),
        "households": ("grid", "microgrid", "estate", "building", "unit"),
    }.get(shape, ("happened_at", "worker", "grid", "microgrid"))
    relation = next((column.name for column in columns if column.field == "relation"), None)
    if shape == "persons" and not relation and not any(column.field == "householder" for column in columns):
        return ()  # nothing tells that a blank means the home above
    return tuple(
        column.name
        for column in columns
        if column.field in fields
        and all(_only_first(sheet, column.name, relation) for sheet in sheets)
        and any(_blanks(sheet, column.name) for sheet in sheets)
    )


def _cells(sheet: LedgerSheet, name: str) -> list[str]:
    at = sheet.names.index(name)
    return [str(row[at]) for number, row in enumerate(sheet.rows) if number not in sheet.notes]


def _blanks(sheet: LedgerSheet, name: str) -> bool:
    cells = _cells(sheet, name)
    return bool(cells) and sum(cell == "" for cell in cells) > BLANK * len(cells)


def _only_first(sheet: LedgerSheet, name: str, relation: str | None) -> bool:
    """Whether blanks can only mean the cell above: the first is filled, and so is that of every householder."""
    cells = _cells(sheet, name)
    if not cells or cells[0] == "":
        return False
    if relation is None:
        return True
    heads = [
        cell
        for cell, said in zip(cells, _cells(sheet, relation), strict=True)
        if re.search(r"户主|本人", said)
    ]
    return len(heads) > 0 and all(heads)
