"""Names of files, sheets and columns that stand for the contract's, and which table other names point at."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from features.contract.tables import TABLES
from features.language import language, say

REFUSALS = "opt_outs"
Names = TypeVar("Names", dict[str, Any], tuple[str, ...])
_REFUSING = re.compile(
    r"拒访|勿扰|勿访|打扰|(?:拒绝|谢绝|婉拒|不再|不要|停止|禁止|不愿|不接受)(?:再)?(?:被)?(?:联系|联络|走访|上门|来访|访问|回访)"
    r"|opt.?out|do.?not.?(?:contact|call|visit|disturb)|no.?(?:contact|visits?)(?![a-z])|(?<![a-z])dnc(?![a-z])"
)
# of a copy, a month, a version
_AGAIN = r"(?:[\s_\-.()]|副本|复件|copy|\d|[年月日季度份第]|最[新终]|[新旧]|终稿|修[改订]|版|v\d)+"
_LOOSELY = re.compile(
    r"拒绝|谢绝|婉拒|黑名单|退出|退订|不愿|不上门|不接待|不接受|免访|refus|unsubscri|black.?list"
)


def table_named(name: str) -> str | None:
    """The table that a name points at, None where it points at none.

    >>> table_named("opt_outs - 副本"), table_named("Requests 2"), table_named("黑名单"), table_named("notes")
    ('opt_outs', 'requests', 'opt_outs', None)
    >>> table_named("诉求 - 副本"), table_named("诉求2024年3月"), table_named("诉求说明")
    ('requests', 'requests', None)
    """
    plain = unicodedata.normalize("NFKC", name).lower()
    for table in TABLES:
        singular = re.escape(table.removesuffix("s")).replace("_", r"[\s_\-]*")
        if re.search(rf"(?<![a-z]){singular}s?(?![a-z])", plain):
            return table
        if re.fullmatch(rf"(?:{'|'.join(FILES[table])}){_AGAIN}", plain):
            return table
    return REFUSALS if names_refusal(name) or _LOOSELY.search(plain) else None


def names_refusal(name: str) -> bool:
    """Whether the name of a column, or what a cell says, speaks of refused visits.

    >>> names_refusal("是否拒访"), names_refusal("免打扰"), names_refusal("DNC"), names_refusal("退出低保")
    (True, True, True, False)
    """
    return bool(_REFUSING.search(unicodedata.normalize("NFKC", name).lower()))


FILES: Mapping[str, tuple[str, ...]] = {
    "households": ("住户", "住户表", "住户信息", "住户清单", "家庭", "家庭信息", "户信息"),
    "requests": ("诉求", "诉求表", "诉求记录", "居民诉求", "申请", "申请记录", "工单", "事项"),
    "residents": ("居民", "居民表", "居民信息", "家庭成员", "人口", "人员信息"),
    "outreach": ("走访", "走访表", "走访记录", "入户走访"),
    "opt_outs": ("谢绝", "谢绝表", "谢绝记录"),
    "workers": ("工作人员", "人员分工", "网格员", "走访人员"),
    "feedback": ("反馈", "居民反馈"),
    "programme_history": ("项目记录", "开班记录", "往期项目"),
}
_HOUSEHOLD = ("户号", "户编号", "家庭编号", "住户编号", "户ID", "户主编号")
_NEED = ("需求", "需求类别", "需求类型", "诉求类型", "诉求类别", "事项", "事项类别", "申请事项")
_GRID, _MICROGRID = (
    ("网格", "网格号", "网格编号", "所属网格"),
    ("微网格", "微网格号", "微网格编号", "所属微网格", "小网格"),
)
_FROM = ("起始日期", "生效日期", "登记日期", "建档日期", "建档时间", "从哪天起", "开始日期")
_UNTIL = ("截止日期", "失效日期", "结束日期", "迁出日期", "到哪天止")
_RECORDED = ("登记时间", "录入时间", "记录时间", "录入日期")
_SATISFACTION = ("满意度", "评价", "满意度评分")
COLUMNS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "households": {
        "household_id": _HOUSEHOLD,
        "grid_id": _GRID,
        "microgrid_id": _MICROGRID,
        "valid_from": _FROM,
        "valid_until": _UNTIL,
        "recorded_at": _RECORDED,
        "children": ("孩子数", "儿童数", "未成年人数"),
        "elders": ("老人数", "老年人数"),
    },
    "requests": {
        "request_id": ("诉求编号", "诉求号", "工单编号", "工单号", "申请编号", "编号", "流水号"),
        "household_id": _HOUSEHOLD,
        "requested_at": (
            "诉求时间",
            "诉求日期",
            "申请时间",
            "申请日期",
            "提出时间",
            "受理时间",
            "来电时间",
            "时间",
            "日期",
        ),
        "need": _NEED,
        "text": ("诉求内容", "诉求", "内容", "原话", "诉求描述", "描述"),
        "recorded_at": _RECORDED,
        "channel": ("渠道", "来源", "诉求渠道", "受理渠道"),
        "resolved_at": ("办结时间", "办结日期", "完成时间"),
        "satisfaction": _SATISFACTION,
    },
    "residents": {
        "resident_id": ("居民编号", "人员编号", "编号", "居民号"),
        "household_id": _HOUSEHOLD,
        "valid_from": _FROM,
        "valid_until": _UNTIL,
        "recorded_at": _RECORDED,
        "birth_year": ("出生年", "出生年份"),
        "birth_date": ("出生日期", "出生年月日", "生日"),
    },
    "outreach": {
        "outreach_id": ("走访编号", "编号", "走访号"),
        "household_id": _HOUSEHOLD,
        "need": _NEED,
        "contacted_at": ("走访时间", "走访日期", "入户时间", "入户日期", "时间", "日期"),
        "arm": ("走访方式", "方式", "抽取方式"),
        "outcome": ("结果", "走访结果"),
        "propensity": ("抽中概率",),
        "worker_id": ("工号", "走访人工号", "走访人编号"),
        "recorded_at": _RECORDED,
    },
    "opt_outs": {
        "household_id": _HOUSEHOLD,
        "from": ("从哪天起", "起始日期", "谢绝日期", "登记日期", "开始日期"),
        "until": ("到哪天止", "截止日期", "结束日期"),
        "recorded_at": _RECORDED,
    },
    "workers": {
        "worker_id": ("工号", "人员编号", "编号"),
        "name": ("姓名", "名字"),
        "role": ("角色", "岗位", "职务"),
        "grid_id": _GRID,
        "microgrid_id": _MICROGRID,
        "weekly_visits": ("每周走访户数", "每周可走访户数", "每周户数", "每周走访", "每周走访数"),
    },
    "feedback": {
        "feedback_id": ("反馈编号", "编号"),
        "household_id": _HOUSEHOLD,
        "recorded_at": (*_RECORDED, "反馈时间", "反馈日期"),
        "outreach_id": ("走访编号", "走访号"),
        "need": _NEED,
        "kind": ("反馈", "反馈类型", "反馈类别"),
        "satisfaction": _SATISFACTION,
        "reason_kind": ("理由类别",),
        "note": ("反馈说明", "说明", "备注"),
        "next_visit": ("下次走访", "下次走访日期"),
    },
    "programme_history": {
        "programme_id": ("项目编号", "项目"),
        "need": _NEED,
        "opened_at": ("开班日期", "开始日期", "从哪天起"),
        "seats": ("名额",),
        "enrolled": ("报名户数", "报名"),
        "waiting": ("候补户数", "候补"),
        "recorded_at": _RECORDED,
    },
}


def table_of(stem: str) -> str | None:
    """The table that a file's name without its ending stands for; None for any other file.

    >>> table_of("住户"), table_of("Requests"), table_of("说明")
    ('households', 'requests', None)
    """
    plain = _plain(stem)
    if plain.lower() in TABLES:
        return plain.lower()
    return next((table for table, names in FILES.items() if plain in names), None)


def contract_names(table: str, names: Sequence[str]) -> dict[str, str]:
    """Map column names of a header to the contract's names that they stand for.

    A name of the contract that is there itself is never taken by another; of two names for one, the first in the
    table of aliases counts.

    >>> contract_names("households", ["户号", "网格", "household_id", "面积"])
    {'网格': 'grid_id'}
    """
    header = {name.strip().lower() for name in names}
    by_plain = {_plain(name): name for name in names if _plain(name)}
    names_found: dict[str, str] = {}
    for column, aliases in COLUMNS.get(table, {}).items():
        if column in header:
            continue
        alias = next(
            (alias for alias in aliases if alias in by_plain and by_plain[alias] not in names_found), None
        )
        if alias:
            names_found[by_plain[alias]] = column
    return names_found


def column_name(table: str, column: str) -> str:
    """Return what a message calls a column of the contract whose own name stands in the header.

    >>> column_name("requests", "requested_at")
    '诉求时间（requested_at）'
    """
    spoken = COLUMNS.get(table, {}).get(column)
    return say(f"{spoken[0]}（{column}）" if spoken else column, column)


def called(table: str, aliases: Mapping[str, str]) -> dict[str, str]:
    """Return what messages call the columns of a table. ``aliases``: those read by another name, by the header's.

    >>> called("opt_outs", {"谢绝日期": "from"})["from"], called("opt_outs", {})["until"]
    ('谢绝日期', '到哪天止（until）')
    """
    names = {column: column_name(table, column) for column in TABLES[table].columns}
    return names | {column: name for name, column in aliases.items()}


def with_own_names(words: str, names: Mapping[str, str]) -> str:
    """Write the columns in a Chinese text as the office's own file calls them; English ones keep the contract's names.

    names: what a column is called, by its name in the contract.

    >>> with_own_names("缺少 household_id，见 docs/household_id.md", {"household_id": "户号"})
    '缺少 户号，见 docs/household_id.md'
    """
    if not names or language() == "en":
        return words
    return _columns_in(tuple(names)).sub(lambda found: names[found[0]], words)


@lru_cache(maxsize=64)
def _columns_in(columns: tuple[str, ...]) -> re.Pattern[str]:
    """Compile a pattern of these names where they stand alone: in no path, setting or longer name."""
    return re.compile(rf"(?<![\w./=（-])(?:{'|'.join(map(re.escape, columns))})(?![\w./=-])", re.ASCII)


@lru_cache(maxsize=4096)
def attribute_names(name: str) -> tuple[str, ...]:
    """The names under which the records may hold a column of households or residents that is called so.

    >>> attribute_names("孩子数"), attribute_names("民族")
    (('孩子数', 'children'), ('民族',))
    """
    held = [contract_names(table, [name]).get(name, name) for table in ("households", "residents")]
    return tuple(dict.fromkeys([name, *held]))


def by_held_names(settings: Names) -> Names:
    """The same settings of columns, also under the names by which the records may hold these.

    >>> by_held_names(("老人数",)), by_held_names({"民族": ()})
    (('老人数', 'elders'), {'民族': ()})
    """
    if isinstance(settings, dict):
        return {held: value for name, value in settings.items() for held in attribute_names(name)}
    return tuple(held for name in settings for held in attribute_names(name))


def is_header(table: str, names: Sequence[str]) -> bool:
    """Whether a row names every column that a table must have.

    >>> is_header("opt_outs", ["户号", "日期"]), is_header("requests", ["户号", "日期"])
    (True, False)
    """
    return {*TABLES[table].needed} <= names_in(table, names)


def names_in(table: str, names: Sequence[str]) -> set[str]:
    """Return the names in a row, as they stand there in small letters and as the contract has them."""
    return {name.strip().lower() for name in names} | {*contract_names(table, names).values()}


@lru_cache(maxsize=1)
def header_words() -> frozenset[str]:
    """The names of all columns of all tables, in small letters, as a header may have them.

    >>> "户id" in header_words(), "reason" in header_words()
    (True, False)
    """
    own = {column for table in TABLES.values() for column in table.columns}
    names = own.union(*(names for columns in COLUMNS.values() for names in columns.values()))
    return frozenset(name.lower() for name in names)


def _plain(text: str) -> str:
    """A name without blanks, marks of required columns, and what is added in brackets."""
    text = unicodedata.normalize("NFKC", text).strip().strip("\ufeff*＊ ")
    return text.split("(")[0].replace(" ", "").replace("\n", "")
