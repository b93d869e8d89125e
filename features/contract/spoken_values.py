"""Read values as people write them: 3口人, 约4500元, √, 非常满意, 2024年3月5日下午3点. Each function reads one text.

These are slow beside SQL and pandas: they read the distinct texts that SQL and pandas could not read.
"""

import re
import unicodedata
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

ABOVE = ("同上", "〃", "″", "''", "”", '"', "同前", "ditto")  # the same as in the cell above
# words for "nothing is known", wherever they stand
UNKNOWN = frozenset(
    """
    不详 未知 不明 不清楚 不清 不知道 不知 未填 未填写 待核实 待查 待定 待补充 未登记 空 暂缺 缺失 保密
    unknown n/a na nil ? ？ ?? ？？
    """.split()
)
NOTHING = frozenset(("无", "暂无", "没有"))  # no, of a yes or no; nothing known, of a number
TRUE = frozenset(("true", "yes", "y", "t", "是", "有", "√", "✓", "✔", "☑", "对", "是的", "有的"))
FALSE = frozenset(
    ("false", "no", "n", "f", "否", "无", "没有", "×", "✗", "✘", "☒", "不是", "不对", "没", "否定")
)
FOR_GOOD = re.compile(
    r"^(?:直)?至今|长期|长久|永|终[身生]|一直|始终|无限|不限|无期|无固定期限|无截止|另行通知|^无$|∞"
    r"|\b(?:for ?ever|permanent(?:ly)?|indefinite(?:ly)?|always|for life|lifelong|now|present|until further notice)\b"
)
SETTLED = frozenset(
    """
    已办结 办结 已完成 完成 已解决 解决 已处理 处理完毕 已结案 结案 已办理 已关闭 已答复 已回复 当日 当天
    当场 同日 是 √ yes done closed resolved settled
    """.split()
)
OPEN = frozenset(
    """
    办理中 处理中 在办 未办结 未完成 未解决 未处理 待办 待处理 进行中 跟进中 受理中 未办理 已受理 未办 转办
    转办中 否 × no open pending
    """.split()
) | {"in progress"}
VOID = re.compile(  # states of requests
    r"^\s*已?(?:作废|撤销|撤回|撤单|取消|无效|误报|误录|重复(?:件|单|登记)?|测试)(?:了|件|单)?\s*$"
)
_EXAMPLE = re.compile(
    r"(?:填[写表报])?(?:示例|样例|范例)(?:[行户]|数据)?\d*"
)  # how a template marks its examples
_EXAMPLE_OF = re.compile(r"(?:填[写表报])?(?:示例|样例|范例|示范|例如?|举例)(?:[:：].*|\d*)", re.DOTALL)
SCORES = {
    **dict.fromkeys(
        ("非常满意", "很满意", "十分满意", "特别满意", "好评", "很好", "优", "优秀", "very satisfied"), 5
    ),
    **dict.fromkeys(("满意", "比较满意", "较满意", "好", "良", "良好", "satisfied"), 4),
    **dict.fromkeys(("一般", "基本满意", "尚可", "中评", "还行", "普通", "中", "neutral"), 3),
    **dict.fromkeys(("不满意", "不太满意", "较不满意", "比较不满意", "差", "dissatisfied"), 2),
    **dict.fromkeys(
        ("非常不满意", "很不满意", "十分不满意", "极不满意", "差评", "很差", "very dissatisfied"), 1
    ),
}
DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "○": 0, "两": 2}
_SCALES = {"十": 10, "百": 100, "千": 1000}
_UNIT = (
    r"口人|个人|周岁|块钱|平方米|平米|平方|公里|公斤|小时|元/月|元/年"
    r"|[个名位口]?(?:小孩|孩子|孩|儿童|子女|老人|学生)"
    r"|[个人口位名岁元块年月天日次户间层套辆台只条平㎡分星%米斤]|m2|m²|km|kg"
)
_NUMBER = re.compile(
    rf"^(?:约|大约|大概|近|将近|共|第)?[¥$]?(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))"
    rf"(?P<scale>[万千百亿])?(?:多|余)?(?:{_UNIT})?(?:/月|/年|每月|左右|上下)?$"
)
_CHINESE_NUMBER = re.compile(rf"^(?P<number>[零〇一二三四五六七八九两十百千]+)(?:{_UNIT})?$")
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_YEAR_FIRST = re.compile(
    r"^(?P<year>\d{4}|\d{2})\s*[-/.年]\s*(?P<month>\d{1,2})\s*[-/.月]\s*(?P<day>\d{1,2})(?!\d)(?:\s*[日号])?\.?"
    r"(?P<clock>.*)$"
)
_COMPACT = re.compile(r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?P<clock>\s+\D*\d.*)$")
_NAMED_MONTH = re.compile(
    r"^(?P<day>\d{1,2})[-\s.]*(?P<name>[a-z]{3})[a-z]*[-\s.,]*(?P<year>\d{4}|\d{2})(?P<clock>\s.*)?$"
    r"|^(?P<name2>[a-z]{3})[a-z]*[-\s.]*(?P<day2>\d{1,2})(?:st|nd|rd|th)?[-\s,]+(?P<year2>\d{4})(?P<clock2>\s.*)?$"
)
_CHINESE_DATE = re.compile(
    r"^(?P<year>[〇○零一二三四五六七八九]{4})年(?P<month>[一二三四五六七八九十]{1,2})月"
    r"(?P<day>[一二三四五六七八九十]{1,3})[日号]?(?P<clock>.*)$"
)
_HALF = r"凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上|夜里|晚|早|[ap]\.?m\.?"
_CLOCK = re.compile(
    rf"^(?P<before>{_HALF})?\s*(?P<hour>\d{{1,2}})"
    r"(?:\s*[:时点]\s*(?:(?P<half>半)|(?P<quarter>[一三]刻)|(?P<minute>\d{1,2})\s*分?)?"
    r"(?:\s*[:分]\s*(?P<second>\d{1,2})(?:\.\d+)?\s*秒?)?)?"
    rf"\s*(?P<after>{_HALF})?\s*(?P<offset>z|[+-]\d{{2}}:?\d{{2}})?$"
)
_EPOCH = re.compile(r"^(?P<seconds>1\d{9})(?P<thousandths>\d{3})?$")  # seconds since 1970: 2001 to 2033
_DASHES = re.compile(r"^(\d{4}-\d{1,2}-\d{1,2})-(\d{1,2})-(\d{2})(?:-(\d{2}))?$")
_ZONE_NAME = re.compile(r"\b(?P<name>cst|hkt|gmt|utc|jst|kst|sgt)\b")
_NAMED_FIRST = re.compile(
    r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\s+(?P<month>[a-z]{3})\s+(?P<day>\d{1,2})\s+(?P<clock>\d{1,2}:\d{2}(?::\d{2})?)"
    r"\s+(?P<year>\d{4})$"
)
# 09:00-10:00, which could be a time with an offset from UTC too
_SPAN = re.compile(r"(?<![t:\d])\d{1,2}:\d{2}\s*-\s*\d{1,2}:\d{2}$")
_WEEKDAY = re.compile(r"[(\s]*(?:周|星期|礼拜)[一二三四五六日天]\)?")
_AFTERNOON = ("下午", "傍晚", "晚上", "晚", "夜里", "pm")
FIRST_SHORT_YEAR, LAST_SHORT_YEAR = 13, 50  # 24.3.5: no month can be meant by the first number


def plain(text: str) -> str:
    """Return a text in narrow signs and small letters, without blanks around it or an apostrophe before it.

    >>> plain(" ２０２４．３．５ "), plain("'3人")
    ('2024.3.5', '3人')
    """
    narrow = unicodedata.normalize("NFKC", text).strip().lstrip("'‘’`").strip().lower()
    return re.sub(r"[—–−－]", "-", narrow)


def means_for_good(text: str) -> bool:
    """Whether a text in the place of an end says that there is none.

    >>> means_for_good("终身有效"), means_for_good("永不"), means_for_good("至今"), means_for_good("6个月")
    (True, True, True, False)
    """
    return bool(FOR_GOOD.search(plain(text)))


def read_number(text: str) -> float | None:
    """Read the number in a text with a unit, a sign of money, or in Chinese; None where it is no number, or a range.

    >>> read_number("3口人"), read_number("约4,500元"), read_number("0.58万"), read_number("十二个")
    (3.0, 4500.0, 5800.0, 12.0)
    >>> read_number("5000-5999"), read_number("3级")
    (None, None)
    """
    short = re.sub(r"[\s,，]", "", plain(text)).replace("￥", "¥")
    match = _NUMBER.match(short)
    if match:
        scale = {"万": 1e4, "千": 1e3, "百": 1e2, "亿": 1e8}.get(match["scale"] or "", 1.0)
        return round(float(match["number"]) * scale, 6)
    match = _CHINESE_NUMBER.match(short)
    value = chinese_number(match["number"]) if match else None
    return None if value is None else float(value)


def chinese_number(signs: str) -> int:
    """Read a whole number below ten thousand in Chinese.

    >>> chinese_number("十二"), chinese_number("一百零五"), chinese_number("二〇二四")
    (12, 105, 2024)
    """
    if all(sign in DIGITS for sign in signs):
        return int("".join(str(DIGITS[sign]) for sign in signs))
    total, digit = 0, None
    for sign in signs:
        if sign in DIGITS:
            digit = DIGITS[sign]
        else:
            total += (1 if digit is None else digit) * _SCALES[sign]
            digit = None
    return total + (digit or 0)


def is_example(text: str, names: bool = False) -> bool:
    """Whether a cell says that its row is an example of a form that was handed out.

    names: whether the cell names or numbers somebody, so that 例：张三 is none of whom there is.

    >>> is_example("（示例）"), is_example("填写样例1"), is_example("例：张三", names=True), is_example("示范")
    (True, True, True, False)
    """
    short = re.sub(r"[\s()【】\[\]<>《》*]", "", plain(text)).rstrip(":")
    return bool(_EXAMPLE.fullmatch(short) or (names and _EXAMPLE_OF.fullmatch(short)))


def read_truth(text: str) -> bool | None:
    """Read yes or no in words or ticks; None for anything else.

    >>> read_truth("√"), read_truth("不是"), read_truth("3")
    (True, False, None)
    """
    word = plain(text)
    return True if word in TRUE else False if word in FALSE else None


def read_score(text: str) -> int | None:
    """Read a satisfaction from 1 to 5: 满意, 5分, 四星, ★★★; None where it is none.

    >>> read_score("非常不满意"), read_score("5分"), read_score("★★★"), read_score("95")
    (1, 5, 3, None)
    """
    word = plain(text)
    if word in SCORES:
        return SCORES[word]
    stars = word.replace("☆", "")
    if stars and set(stars) == {"★"}:
        return len(stars) if len(stars) <= 5 else None
    value = read_number(word.removesuffix("满意"))
    return int(value) if value is not None and value in (1, 2, 3, 4, 5) else None


def read_moment(text: str, zone: str) -> datetime | None:
    """Local time of a date, with a time of day or without, as people write it.

    A text without a year, with a range of days or hours, or of which day and month can be exchanged (11/04/2024) is None.

    >>> str(read_moment("1709600000", "Asia/Shanghai")), str(read_moment("Tue Mar 05 09:00:00 CST 2024", "Asia/Shanghai"))
    ('2024-03-05 08:53:20', '2024-03-05 09:00:00')
    >>> str(read_moment("24.3.5", "Asia/Shanghai")), str(read_moment("2024年3月5日下午3点半", "Asia/Shanghai"))
    ('2024-03-05 00:00:00', '2024-03-05 15:30:00')
    >>> read_moment("11/04/2024", "Asia/Shanghai"), read_moment("3月5日", "Asia/Shanghai")
    (None, None)
    """
    short = _WEEKDAY.sub(" ", plain(text))
    if epoch := _EPOCH.match(short):
        moment = datetime.fromtimestamp(int(epoch["seconds"]), ZoneInfo(zone))
        return moment.replace(tzinfo=None)
    short = re.sub(r"\s+", " ", re.sub(r"(左右|前后|许)$", "", short)).strip()
    short = _DASHES.sub(lambda match: f"{match[1]} {match[2]}:{match[3]}:{match[4] or '00'}", short)
    short = _without_zone_name(short, zone)
    short = _NAMED_FIRST.sub(r"\g<day> \g<month> \g<year> \g<clock>", short)
    if _SPAN.search(short):
        return None
    parts = _year_first(short) or _named_month(short) or _chinese_date(short)
    if parts is None:
        return None
    year, month, day, clock = parts
    try:
        midnight = datetime(year, month, day)
    except ValueError:
        return None
    clock = clock.strip().removeprefix("t").strip(" ,")
    only_half = re.fullmatch(_HALF, clock)  # 3月5日上午: of the time of day nothing is kept
    return midnight if not clock or only_half else _with_clock(midnight, clock, zone)


def _without_zone_name(text: str, zone: str) -> str:
    """A text without the name of the timezone where that is the community's own; UTC becomes an offset.

    >>> _without_zone_name("2024-03-05 09:00:00 cst", "Asia/Shanghai"), _without_zone_name("9:00 cst", "Europe/Berlin")
    ('2024-03-05 09:00:00', '9:00 cst')
    """
    match = _ZONE_NAME.search(text)
    if not match:
        return text
    rest = re.sub(r"\s+", " ", text.replace(match["name"], " ")).strip()
    if match["name"] in ("gmt", "utc"):
        return f"{rest}z"
    zone_name = datetime(2024, 1, 1, tzinfo=ZoneInfo(zone)).tzname() or ""
    return rest if zone_name.lower() == match["name"] else text


def _year_first(text: str) -> tuple[int, int, int, str] | None:
    match = _YEAR_FIRST.match(text) or _COMPACT.match(text)
    if not match:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        if not FIRST_SHORT_YEAR <= year <= LAST_SHORT_YEAR:
            return None
        year += 2000
    return year, int(match["month"]), int(match["day"]), match["clock"]


def _named_month(text: str) -> tuple[int, int, int, str] | None:
    match = _NAMED_MONTH.match(text)
    if not match:
        return None
    name = match["name"] or match["name2"]
    year = int(match["year"] or match["year2"])
    year += 2000 if year < 100 else 0
    clock = match["clock"] or match["clock2"] or ""
    if name not in _MONTH_NAMES:
        return None
    return year, _MONTH_NAMES.index(name) + 1, int(match["day"] or match["day2"]), clock


def _chinese_date(text: str) -> tuple[int, int, int, str] | None:
    match = _CHINESE_DATE.match(text)
    if not match:
        return None
    year, month, day = (chinese_number(match[part]) for part in ("year", "month", "day"))
    return (year, month, day, match["clock"]) if year and month and day else None


def _with_clock(midnight: datetime, clock: str, zone: str) -> datetime | None:
    match = _CLOCK.match(clock)
    if not match:
        return None
    minute = 30 if match["half"] else {"一刻": 15, "三刻": 45}.get(match["quarter"] or "")
    minute = int(match["minute"] or 0) if minute is None else minute
    hour, second = int(match["hour"]), int(match["second"] or 0)
    half = (match["before"] or match["after"] or "").replace(".", "")
    if not (half or match["minute"] or re.search("[时点]", clock)):
        return None  # "2024-03-05 9": a day and a number
    if half in _AFTERNOON or (half == "中午" and hour < 3):
        hour += 12 if hour < 12 else 0
    elif half in ("上午", "凌晨", "am") and hour == 12:
        hour = 0
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and (minute or second)):
        return None
    try:
        moment = midnight + timedelta(hours=hour, minutes=minute, seconds=second)
        if not match["offset"]:
            return moment
        offset = "+00:00" if match["offset"] == "z" else match["offset"]
        known = datetime.fromisoformat(f"{moment.isoformat()}{offset}")
        return known.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    except (ValueError, OverflowError):  # an offset of more than a day, or beyond the years that there are
        return None


def read_birth(text: str) -> date | None:
    """Read a day of birth from a date, eight digits, a year and month (the 15th), or a year (1 July); else None.

    >>> read_birth("19470115"), read_birth("1947年1月"), read_birth("1957年"), read_birth("65岁")
    (datetime.date(1947, 1, 15), datetime.date(1947, 1, 15), datetime.date(1957, 7, 1), None)
    """
    short = re.sub(r"\s", "", plain(text))
    match = (
        re.match(r"^(\d{4})(\d{2})(\d{2})$", short)
        or re.match(r"^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})[日号]?", short)
        or re.match(r"^(\d{4})(?:年|[-/.])(0?[1-9]|1[0-2])月?(?:生|出生)?$", short)
        or re.match(r"^(\d{4})(?:\.0+)?年?(?:生|出生)?$", short)
    )
    if not match:
        return None
    parts = [int(part) for part in match.groups()]
    try:
        return date(*([*parts, 15] if len(parts) == 2 else [*parts, 7, 1] if len(parts) == 1 else parts))
    except ValueError:
        return None
