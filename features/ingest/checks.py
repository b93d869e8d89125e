"""Rules on what can be wrong with a row or one of its cells, as SQL over the columns as read.

A broken rule of a required cell sets its row aside. A broken rule of an optional cell empties the cell. A refusal
holds as long as its household can be read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from features.contract.table_names import COLUMNS, REFUSALS
from features.contract.tables import TABLES, UNDATED, Column, Table
from features.findings import Weight
from features.ingest.identifiers import raw
from features.language import say
from features.store.sql import name, text

EARLIEST, LATEST = f"DATE '{UNDATED}'", "DATE '2101-01-01'"
BIRTHS = ("birth_year", "birth_date")
ENDS = ("until", "valid_until")  # columns in which a day far off means that there is none
HAPPENED = ("requested_at", "contacted_at", "recorded_at", "resolved_at")  # times of what somebody did
NO_DAYS = "DATE '1900-01-01', DATE '1970-01-01'"  # with which programs write that there is none
REFUSAL = "do_not_contact"  # kind of feedback
SUMS = (
    "(本页|本月|累)?(合计|小计|总计|共计|累计|汇总|总数|平均(值|数)?|均值|最[大小]值)([:：].*)?"
    "|(总|合|小|累|共)计?\\d+(户|人|件|条|次)|(sub|grand)?total:?|average|avg"
)
SIGNED = (  # what stands below a table or on each of its pages
    "(填[表报]|制表|审核|审批|复核|统计|汇总|负责|经办|联系|主管|打印|导出|上报)(人|员|单位|部门|日期|时间|领导)?[:：].*"
    "|(备?注|说明|注意)[:：].*|第?\\d+页[,，/]?(共\\d+页)?"
)
SETTLED = "row:settled"  # text of a resolved_at that says that a request is settled, but not when


@dataclass(frozen=True)
class Rule:
    """One rule: where it is broken (SQL), the problem in words, the value to show (SQL), and the consequences."""

    broken: str
    words: str
    shown: str
    column: str = ""
    empties: tuple[str, ...] = ()  # cells that are emptied; without any the row is set aside
    unreadable: bool = False  # the slower reading may understand the text
    weight: Weight = Weight.LOST
    follows: str = ""  # what follows in words, of a rule that leaves row and cells as they are

    @property
    def sets_aside(self) -> bool:
        """Tell whether a row that breaks the rule is set aside."""
        return not self.empties and not self.follows


def no_household() -> str:
    """Return the problem of a row whose household nobody knows."""
    return say("没有这一户", "no such household")


def no_record() -> str:
    """Return the problem of a row that repeats the header, or sums up others."""
    return say("是合计或又一行表头，不是记录", "a sum or the header once more, no record")


def no_entry() -> str:
    """Return the problem of a row below a table, or at the foot of a page: who filled it in, a remark."""
    return say("是落款、页码或说明，不是记录", "a signature, page number or remark, no record")


def no_example() -> str:
    """Return the problem of a row that a form was handed out with, to show how to fill it in."""
    return say("写着示例，是样表里的例子，不是记录", "an example of the form, no record")


def no_refusal() -> str:
    """Return the problem of a row of refusals that says in a column of its own that nothing is refused."""
    return say("写明不拒访，不是谢绝", "says that visits are not refused")


def _no_record(table: str, columns: list[str]) -> list[Rule]:
    """Make the rule on rows that are no record, by what stands in the place of their number."""
    key = TABLES[table].key[0]
    if key not in columns:
        return []
    names = ", ".join(text(name.lower()) for name in [key, *COLUMNS.get(table, {}).get(key, ())])
    # 合　计 is spread by wide blanks
    said = f"regexp_replace(lower({raw(key)}), '[\\s\u3000]', '', 'g')"
    empty = [
        f"{raw(name)} IS NULL" for name in columns if TABLES[table].columns[name].required and name != key
    ]
    # of who is not to be visited a remark may tell
    refuses = f"regexp_matches({said}, '拒|谢绝|勿|访|打扰|不[要愿再]')"
    signed = " AND ".join([f"regexp_full_match({said}, {text(SIGNED)}) AND NOT {refuses}", *empty[:1]])
    sums = f"regexp_full_match({said}, {text(SUMS)})"
    return [
        Rule(f"(lower({raw(key)}) IN ({names}) OR {sums}) IS TRUE", no_record(), "NULL", key),
        Rule(f"({signed}) IS TRUE", no_entry(), "NULL", key),
    ]


def cell_rules(table: str, columns: list[str], needs: list[str], damaged: Mapping[str, str]) -> list[Rule]:
    """The rules about one cell each, of a table whose file has these columns of the contract.

    Read values stand under their names, the texts they come from under ``raw``; ``known_households`` is a table
    with the households that there are. ``damaged``: SQL by column of ids, whether one has lost digits.
    """
    contract = TABLES[table]
    refuses = f"(kind = {text(REFUSAL)}) IS TRUE" if "kind" in columns else "false"
    rules = _no_record(table, columns) + [
        rule
        for column in columns
        for rule in _column_rules(contract, column, table, damaged.get(column), refuses)
    ]
    if "need" in columns:
        rules += _need_rules(table, columns, needs, refuses)
    if table != "households" and "household_id" in contract.columns:
        unknown = "household_id NOT IN (SELECT household_id FROM known_households)"
        rules.append(Rule(unknown, no_household(), "household_id", "household_id"))
    return rules


def _need_rules(table: str, columns: list[str], needs: list[str], refuses: str) -> list[Rule]:
    """Make the rules on needs that do not exist: they set their row aside unless the row can do without its need."""
    unknown = f"need IS NOT NULL AND need NOT IN ({', '.join(map(text, needs))})"
    words = say("community.yaml 里没有这个需求", "no such need in community.yaml")
    spared = "false"
    if table == "requests" and "text" in columns:
        spared = "text IS NOT NULL"
    elif table == "feedback":
        spared = refuses
    return [
        Rule(f"{unknown} AND NOT ({spared})", words, "need", "need"),
        Rule(f"{unknown} AND ({spared})", words, "need", "need", ("need",)),
    ]


def _column_rules(contract: Table, column: str, table: str, damaged: str | None, refuses: str) -> list[Rule]:
    """``damaged`` (SQL): whether an id has lost digits; ``refuses`` (SQL): whether a row of feedback is a refusal."""
    kind, value, written = contract.columns[column], name(column), raw(column)
    empties = () if kind.required else (column,)
    if table == "feedback" and column == "recorded_at":  # a refusal holds also when nobody knows since when
        return _forgiving(column, refuses)
    rules: list[Rule] = []
    if kind.required:
        spared = f" AND NOT {refuses}" if column == "feedback_id" else ""
        words = say(f"缺少 {column}", f"{column} is missing")
        rules.append(Rule(f"{written} IS NULL{spared}", words, "NULL", column))
    if damaged is not None:
        words = say(
            f"{column} 丢了末尾几位（请设为文本再导出）",
            f"{column} has lost digits (export it as text)",
        )
        rules.append(Rule(damaged, words, written, column, empties))
    if column.endswith("_id"):
        words = say(f"{column} 是 TRUE/FALSE，不是编号", f"{column} is TRUE or FALSE, no id")
        rules.append(Rule(f"lower({written}) IN ('true', 'false')", words, written, column, empties))
        words = say(f"{column} 是没有结果的公式，不是编号", f"{column} is a formula without a result, no id")
        rules.append(Rule(f"starts_with({written}, '=')", words, written, column, empties))
    if kind.kind != "text":
        settled = f" AND {written} <> {text(SETTLED)}" if column == "resolved_at" else ""
        unreadable = f"{written} IS NOT NULL AND {value} IS NULL{settled}"
        words = say(f"{column} 读不懂", f"{column} cannot be read")
        rules.append(Rule(unreadable, words, written, column, empties, unreadable=True))
    return rules + _limits(column, kind, table, empties)


def _limits(column: str, kind: Column, table: str, empties: tuple[str, ...]) -> list[Rule]:
    value, written = name(column), raw(column)
    rules: list[Rule] = []
    if kind.kind in ("time", "day"):
        words = say(f"{column} 不可能是这一天", f"{column} cannot be that date")
        late = f"{value} >= {LATEST}"
        if column in ENDS:
            endless = say(f"{column} 表示一直有效", f"{column} means until further notice")
            rules.append(Rule(late, endless, written, column, empties, weight=Weight.NOTE))
            late = "false"
        if column in HAPPENED:
            late = f"({late} OR {value}::DATE IN ({NO_DAYS}))"
        if column in BIRTHS:
            late = f"{value} > current_date + INTERVAL 366 DAY"
        rules.append(Rule(f"{value} < {EARLIEST} OR {late}", words, written, column, empties))
    if kind.allowed:
        shown = " / ".join(kind.allowed)
        outside = f"{value} NOT IN ({', '.join(map(text, kind.allowed))})"
        words = say(f"{column} 只能是 {shown}", f"{column} must be {shown}")
        weight = Weight.PROTECT if column == "kind" else Weight.LOST  # it may be a refusal
        rules.append(Rule(outside, words, written, column, empties, unreadable=True, weight=weight))
    limits = [f"{value} {sign} {end}" for sign, end in (("<", kind.low), (">", kind.high)) if end is not None]
    if column == "propensity":
        limits.append(f"{value} = 0")
    if column == "birth_year":
        limits.append(f"{value} > year(current_date) + 1")
    if limits:
        words = say(f"{column} 超出范围", f"{column} is out of range")
        slowly = column in BIRTHS  # 195003
        rules.append(Rule(" OR ".join(limits), words, written, column, empties, unreadable=slowly))
    return rules


def _forgiving(column: str, refuses: str) -> list[Rule]:
    """Make the rules of a required time without which a refusal still holds, from the earliest moment on."""
    value, written = name(column), raw(column)
    wrong = f"{written} IS NOT NULL AND ({value} IS NULL OR {value} < {EARLIEST} OR {value} >= {LATEST})"
    words = say(f"{column} 读不懂", f"{column} cannot be read")
    missing = say(f"缺少 {column}", f"{column} is missing")
    return [
        Rule(f"{written} IS NULL AND NOT {refuses}", missing, "NULL", column),
        Rule(f"{wrong} AND NOT {refuses}", words, written, column, unreadable=True),
        Rule(f"{wrong} AND {refuses}", words, written, column, (column,), unreadable=True),
    ]


def row_rules(table: str, columns: set[str]) -> list[Rule]:
    """Make the rules that compare the remaining cells of a row; times without a time of day are judged leniently."""
    rules: list[Rule] = []
    if table == "requests":
        nothing = " AND ".join(f"{column} IS NULL" for column in ("need", "text") if column in columns)
        rules.append(Rule(nothing, say("need 和 text 都是空的", "need and text are both empty"), "NULL"))
    if table == "feedback":
        said = [column for column in ("kind", "satisfaction", "note", "next_visit") if column in columns]
        # a kind that nobody understands may refuse, and is told
        cells = [raw(column) if column == "kind" else column for column in said]
        nothing = " AND ".join(f"{cell} IS NULL" for cell in cells) or "true"
        rules.append(Rule(nothing, say("没有反馈内容", "says nothing"), "NULL"))
    if table == "requests" and "recorded_at" in columns:
        late = "requested_at > recorded_at + INTERVAL 1 DAY"
        words = say(
            "recorded_at 比 requested_at 早一天以上", "recorded_at is more than a day before requested_at"
        )
        rules.append(Rule(late, words, raw("recorded_at"), "recorded_at", ("recorded_at",)))
    if table == "requests" and "resolved_at" in columns:
        early = "resolved_at < date_trunc('day', requested_at)"
        words = say("resolved_at 早于 requested_at", "resolved_at is before requested_at")
        rules.append(Rule(early, words, raw("resolved_at"), "resolved_at", ("resolved_at",)))
    if table == REFUSALS:
        rules += _refusal_rules(columns)
    if "valid_until" in columns:
        early = "valid_until < date_trunc('day', valid_from)"
        words = say("valid_until 早于 valid_from", "valid_until is before valid_from")
        follows = say("这一行从没有效过，不算；请核对", "the row never held and does not count; check it")
        shown = raw("valid_until")
        rules.append(Rule(early, words, shown, "valid_until", weight=Weight.LOOK, follows=follows))
    return rules


def _refusal_rules(columns: set[str]) -> list[Rule]:
    """Make the rules on a refusal's times: where they make no sense it holds from the earliest moment on, without end."""
    far = '"from" > current_date + INTERVAL 366 DAY'
    words = say("from 在一年以后，多半是写错了", "from is more than a year from now, most likely a slip")
    rules = [Rule(far, words, raw("from"), "from", ("from",))]
    if "until" in columns:
        words = say("没有能读懂的 from，until 不作数", "no from that can be read: until does not count")
        unbound = '"from" IS NULL AND "until" IS NOT NULL'
        rules.append(Rule(unbound, words, raw("until"), "until", ("until",)))
        words = say("until 早于 from", "until is before from")
        rules.append(Rule('"until" < "from"', words, raw("until"), "until", ("from", "until")))
    return rules
