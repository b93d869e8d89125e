"""Find what identifies a person by its digits or its form: identity and bank-card numbers, telephones, doors, accounts.

A number is masked when its form is personal, also where its check digit is wrong: a slip of the pen protects nobody.
The check digits decide only where the form alone would take in order numbers too.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date

from stdnum import luhn
from stdnum.cn import ric
from stdnum.exceptions import ValidationError

Find = tuple[int, int, str]  # start, end, kind

# full-width signs to ASCII, one for one
_NARROW = {sign + 0xFEE0: sign for sign in range(0x21, 0x7F)}
_GAP = r"[ \-—－.·]?"  # may stand between groups of digits
_NO_DIGIT_BEFORE, _NO_DIGIT_AFTER = r"(?<![\dA-Za-z])", r"(?!\d)"
_COUNT = r"(?:\d{1,4}|[一二三四五六七八九十百零〇两]{1,5})"
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_CONNECT = r"(?:\s*(?:号码?|帐号|账号|id|ID))?\s*(?:是|为|[:：])?\s*"

_EMAIL = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", re.ASCII)
_IDENTITY = re.compile(
    rf"{_NO_DIGIT_BEFORE}[1-9]\d{{5}}{_GAP}(?:18|19|20)\d{{2}}{_GAP}\d{{4}}{_GAP}\d{{3}}[\dXx](?![\dA-Za-z])"
)
_OLD_IDENTITY = re.compile(
    rf"{_NO_DIGIT_BEFORE}[1-9]\d{{5}}\d{{2}}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])\d{{3}}{_NO_DIGIT_AFTER}"
)
_CARD = re.compile(rf"{_NO_DIGIT_BEFORE}[3-9]\d{{3}}(?:{_GAP}\d{{4}}){{2,3}}{_GAP}\d{{1,4}}{_NO_DIGIT_AFTER}")
_MOBILE = re.compile(
    rf"(?<![\d.])(?:(?:\+|00)?86{_GAP})?1[3-9]\d(?:{_GAP}\d{{4}}{_GAP}\d{{4}}|{_GAP}\d{{3}}{_GAP}\d{{5}}"
    rf"|\d{_GAP}\d{{4}}{_GAP}\d{{3}}){_NO_DIGIT_AFTER}"
)
_SPOKEN_MOBILE = re.compile(
    r"[一幺1][三四五六七八九3-9][零〇一幺二三四五六七八九\d]{9}(?![零〇一幺二三四五六七八九\d])"
)
_LANDLINE = re.compile(
    rf"(?<!\d)[(（]?0[1-9]\d{{1,2}}[)）]?{_GAP}[2-9]\d{{6,7}}(?:\s*(?:转|-)\s*\d{{1,5}})?{_NO_DIGIT_AFTER}"
)
_CALLED = re.compile(
    r"(?:电话|座机|手机|固话|宅电|热线|联系方式|致电|拨打)"
    + _CONNECT
    + rf"([2-9]\d{{2,3}}{_GAP}\d{{4}}){_NO_DIGIT_AFTER}"
)
_ACCOUNT = re.compile(
    r"(?:微信|薇信|威信|微信号|weixin|wechat|v信|vx|wx|QQ|qq|扣扣|企鹅)"
    + _CONNECT
    + r"([A-Za-z][\w-]{4,19}|\d{5,11})(?![\w-])",
    re.ASCII | re.IGNORECASE,
)
_PLATE = re.compile(rf"[{_PROVINCES}][A-Za-z][ ·•.-]?[A-Za-z\d]{{4,5}}[A-Za-z\d学警港澳挂领](?![A-Za-z\d])")
_ROOM_WORD = r"(?:室|房间?|户|号房|门)"
_BUILDING = rf"{_COUNT}\s*(?:号楼|幢|栋|座|号|[#＃])"
_DOORS = (
    # 3幢2单元501(室), 3号楼501室, 3#501: what follows the building is the household's own
    re.compile(
        rf"{_BUILDING}[\s,，\-—－]*((?:{_COUNT}\s*(?:单元|门洞|梯)[\s,，\-—－]*)(?:{_COUNT}\s*[楼层]\s*)?(?:{_COUNT}{_ROOM_WORD}?号?)?)"
    ),
    re.compile(
        rf"{_BUILDING}[\s,，\-—－]*((?:{_COUNT}\s*[楼层]\s*)?[a-zA-Z]?\d{{3,4}}(?:{_ROOM_WORD}|号)?)(?!\d|年|元|月|日|人|户居|多)"
    ),
    re.compile(rf"{_BUILDING}[\s,，\-—－]*(\d{{1,2}}[\-—－]\d{{3,4}}(?:{_ROOM_WORD}|号)?)(?!\d)"),
    re.compile(rf"{_BUILDING}[\s,，]*({_COUNT}\s*[楼层]\s*{_COUNT}\s*(?:室|房|号|户))"),
    re.compile(rf"({_COUNT}\s*单元[\s,，\-—－]*{_COUNT}\s*(?:室|房|号|户)?)(?!居民|业主|住户)"),
    re.compile(
        r"(?<![\d\-—－/.:：年月])(\d{1,3}[\-—－]\d{1,2}[\-—－]\d{3,4})(?![\d\-—－/.])(?:室|房|号|户)?"
    ),
    re.compile(r"(?<![\d\-—－/.:：第])([a-zA-Z]?\d{3,4}\s*室)"),
    # a house's number in its street, lane or village
    re.compile(
        r"(?:路|街|巷|弄|道|胡同|里|村|组|队|湾|屯|庄)\s*((?:\d{1,5}|[一二三四五六七八九十百]{1,5})(?:之\d{1,3}|-\d{1,3})?号)(?!楼|线|站|令|文|公告|院|口|车|地铁|桥|[^\W\d_]?线)"
    ),
)


def find_numbers(text: str) -> Iterator[Find]:
    """Yield start, end and kind of each personal number, door or account; several may overlap."""
    text = text.translate(_NARROW)
    for pattern, kind, holds in _WHOLE:
        for match in pattern.finditer(text):
            if holds is None or holds(match.group()):
                yield *match.span(), kind
    for pattern, kind in _INNER:
        for match in pattern.finditer(text):
            yield *match.span(1), kind


def _digits(text: str) -> str:
    return "".join(sign for sign in text.upper() if sign.isdigit() or sign == "X")


def _is_identity(digits: str) -> bool:
    """Tell whether 18 digits are an identity number: by check digit, or by a county and a day of birth."""
    number = _digits(digits)
    try:
        ric.validate(number)
    except ValidationError:
        return _may_be_birth(number[6:14]) and "11" <= number[:2] <= "82"
    return True


def _may_be_birth(day: str) -> bool:
    try:
        return date(int(day[:4]), int(day[4:6]), int(day[6:])).year >= 1900
    except ValueError:
        return False


def _is_card(digits: str) -> bool:
    """Tell whether 13 to 19 digits pass the check of bank cards, or begin as China's cards do."""
    number = _digits(digits)
    return 15 <= len(number) <= 19 and (luhn.is_valid(number) or number.startswith("62"))


_WHOLE: tuple[tuple[re.Pattern[str], str, Callable[[str], bool] | None], ...] = (
    (_EMAIL, "邮箱", None),
    (_IDENTITY, "身份证号", _is_identity),
    (_OLD_IDENTITY, "身份证号", lambda digits: "11" <= digits[:2] <= "82"),
    (_CARD, "银行卡号", _is_card),
    (_MOBILE, "电话", None),
    (_SPOKEN_MOBILE, "电话", None),
    (_LANDLINE, "电话", None),
    (_PLATE, "车牌", None),
)
_INNER: tuple[tuple[re.Pattern[str], str], ...] = (
    (_CALLED, "电话"),
    (_ACCOUNT, "账号"),
    *((pattern, "门牌") for pattern in _DOORS),
)
