"""Words with which residents refuse visits: in requests, in notes, and in the answers of a column."""

import re
import unicodedata

from features.contract.spoken_values import FALSE, NOTHING, UNKNOWN, VOID, plain
from features.contract.table_names import names_refusal
from features.language import say

_READY = "愿意?|同意|接受"
_WILLING = re.compile(
    rf"(?:{_READY}).{{0,4}}(?:走访|上门|入户|来访|回访)|(?:走访|上门|入户|来访).{{0,4}}(?:意愿|{_READY})"
)
_COUNTS = re.compile("次数|几次|频[次率]|日期|时间|时段|方式|满意|评[价分]|原因|人[数员]|内容|记录|最近|上次")
_NOT_AVERSE = re.compile("不限|不定|不一定|不固定|不介意|不反对|不错|没问题|没意见")
VISITS_WELCOME = (
    FALSE | NOTHING | UNKNOWN | {"正常", "同意", "接受", "愿意", "可以", "配合", "未", "0", "0.0"}
)
NOES = (FALSE - NOTHING) | {"0", "0.0"}
_UNWANTED = (  # what a resident says who wants no visits
    r"拒访|勿扰(?!民)|勿访|不要再来|不希望.{0,4}(?:走访|上门)"
    r"|(?:拒绝|谢绝|不愿意?|不想|不接受|不同意)(?:再|被|接受|社区|网格员)*(?:走访|入户|来访|访问)"
    r"|(?:不要|别|不用|不必|不需要|无需|不许|不让|停止)再(?:次|来)?(?:上门|走访|入户|打扰我|联系我|来了)"
    r"|(?:不要|(?<![特个分])别|请?勿|停止|不许)(?:走访|入户|来访|上门(?!服务|维修|检查|推销|收))"
    r"|以后.{0,4}(?:不要|别)再?来(?![收修推装送催])"
    r"|(?:不要|(?<![特个分])别|请?勿)再?(?:来|到|去|上)(?:我|我们|俺|咱)(?:们|家)|不欢迎.{0,3}(?:走访|上门|入户|来访)"
)
# those who do not let anybody in, or say so
_KEPT_OUT = r"(?:不[让许准给肯]|拒不)(?:任何人|我们|社区|网格员|工作人员|人|再|进行)*(?:进[门屋家去入]|入内|入户|开门)"
_KEPT_OUT += "|(?:不要|(?<![特个分])别)来了"
_MAY_REFUSE = re.compile(  # what a note says of somebody who may have refused the visit, or something else
    r"婉拒|婉言谢绝|闭门羹|拒之门外|拒[不见]|避而不见|不[愿肯]见|不(?:予|愿|肯|太|想)?配合|[已被]拒|拒绝(?:了|沟通|交流|签字|接待|见面)?$"
)
_ASKS_FOR_NO_VISITS = re.compile(_UNWANTED)
_REFUSES = re.compile(
    rf"{_UNWANTED}|(?:拒绝|谢绝|不愿意?|不想|不接受|不同意)(?:再|被|接受)?(?:上门|联系|开门)|(?:不愿意?|不想)再?被打扰"
    rf"|{_KEPT_OUT}"
)
_OTHERS = re.compile(  # who or what else may not be wanted at a door, or asked after
    "物业|保安|门[卫禁岗]|邻居|楼[上下]|对[门方]|推销|广告|收费|催[费收]|维修|修理|快递|外卖|中介|装修|施工|工人|垃圾|亲戚|家政|保险|贷款|房东|租客"
    "|上门(?:辅导|护理|体检|理发|康复|送|保洁|教)|(?:联系|走访)(?:子女|[儿孙]子|女儿|孙女|亲|家属|老伴|配偶)"
)
# words one of which every text has that calls a need off
CALLS_OFF = "不需|不再需|不想要|不要|不用|不必|无需|取消|退订|退掉|停掉|撤销|撤回"
_CALLED_OFF = re.compile(
    r"(?:我家?|家里|现在|目前|暂时|已经?|以后|请|麻烦|帮我?|申请|要求|想|那个|老人|孩子)*(?:"
    r"(?:(?:不再?需要|不再?想?要|不用|不必|无需|退订|退掉)了?|(?:取消|停掉|撤销|撤回)(?!了.))"
    r"(?:(?:我|我家|之前|原来|预约|申请|登记|报名)的)?[^的再不要取停退撤就能吗呢怎后太到得让叫因没]{0,8}?了?"
    # 低保取消了, 暖气停掉了: somebody else did, which is a complaint
    r"|[^的不别再取退停撤被]{1,8}?(?:(?:先|就|也|可以|暂时)?(?:(?:不再?需要|不再?要|不用|退掉)了?吧?|(?:取消|停掉)(?:了?吧)?)"
    r"|(?:先|就|也|可以|暂时)(?:取消|停掉)了))"
)
_BENEFITS = (
    "低保|低收入|特困|五保|边缘|困难|补[贴助偿]|津贴|救[助济]|抚恤|优[抚待]|养老[金保]|退休金|社保|医保|工资|资格|待遇|公租房|廉租"
    "|学[籍位]|暖气|供[暖水电气]|公交|班车|线路"
)
_TAKEN_AWAY = re.compile(  # 低保取消: what others took away is missed, unless it is given up or asked for
    "(?!.*(?:申请|自愿|主动|放弃|麻烦|吧$|[想要请帮](?:把|将|求|取消|停|撤)))"
    rf"(?:.*(?:{_BENEFITS}).{{0,4}}(?:取消|停掉|撤销|撤回)|(?:取消|停掉|撤销|撤回).{{0,6}}(?:{_BENEFITS})).*"
)
_WITHDRAWN = re.compile(  # what a list of refusals says of one that holds no more
    "(?<![不没未])(?:已(?:解除|恢复|失效)|恢复(?:走访|上门|联系|正常)|解除(?:谢绝|拒访|限制|$)|不再(?:拒|谢绝)"
    "|(?:取消|撤[销回])(?:了)?(?:谢绝|拒访|拒绝|勿扰|申请|登记)"
    "|(?<!不)(?:又|现在?|重新|可以?|已经?|愿意?|同意|接受)了?(?:再|让|被|社区|网格员)*(?:走访|上门|入户|来访|联系)(?!维修|费))"
)
_US = re.compile(
    "(?:社区|网格|网格员|居委会?|志愿者|你们)的?(?:人|人员)?(?:来|再来)?(?:不|别|勿|停止|谢绝|拒绝)|以后"
)
_ONCE = re.compile("[今明后昨]天|今[日晚早]|[本这上下]周|[这本]次|暂[时不]|改[天日]|[另改]约|约[好下明后]")
_MILD = re.compile(
    rf"(?:不愿意?|不想|不接受|不同意|拒绝)(?:上门|开门|联系)|(?:不用|不必|不需要|无需)再|{_KEPT_OUT}"
)
_SETTLED = re.compile("已.{0,3}(?:解决|办|修|好)|[修办弄]好|解决了")


def may_refuse_visits(text: str, request: bool) -> bool:
    """Whether words may ask for no visits: those of others or of one day included.

    ``request``: the words are a request, in which other things may be refused (物业拒绝上门维修), and no note.

    >>> may_refuse_visits("今天不愿开门", False), may_refuse_visits("物业拒绝上门维修", True)
    (True, False)
    >>> may_refuse_visits("婉拒", False), may_refuse_visits("老人不配合服药", False), may_refuse_visits("婉拒", True)
    (True, True, False)
    """
    return bool(_pattern(request).search(text)) or (not request and bool(_MAY_REFUSE.search(text)))


def refuses_visits(text: str, request: bool) -> bool:
    """Whether words ask for no visits, for good and not only today; ``request`` as of ``may_refuse_visits``.

    >>> [refuses_visits(said, True) for said in ("请不要再上门了", "物业拒绝上门维修", "要求物业不要再来收费")]
    [True, False, False]
    >>> [refuses_visits(said, False) for said in ("本人拒绝上门", "门禁已修好", "今天不愿开门", "孩子不想上门辅导")]
    [True, False, False, False]
    >>> [refuses_visits(said, False) for said in ("家人不让进门", "邻居说他家不让进门", "保安不让进去")]
    [True, False, False]
    """
    for clause in re.split(r"[，,。；;！!？?\s]+", text):
        if not (found := _pattern(request).search(clause)):
            continue
        others = _OTHERS.search(clause) and not _US.search(clause)
        once = _MILD.match(found[0]) and (_ONCE.search(text) or _SETTLED.search(text))
        if not others and not once:
            return True
    return False


def _pattern(request: bool) -> re.Pattern[str]:
    return _ASKS_FOR_NO_VISITS if request else _REFUSES


def withdrawn(text: str) -> bool:
    """Whether a cell of a refusal says that it holds no more. Nobody acts on it without a day: it is only told.

    >>> [withdrawn(said) for said in ("作废", "已解除", "4月起可以上门了", "又同意走访", "恢复走访")]
    [True, True, True, True, True]
    >>> [withdrawn(said) for said in ("有效", "不同意走访", "本人要求不要上门", "未解除", "")]
    [False, False, False, False, False]
    """
    return bool(VOID.match(text) or _WITHDRAWN.search(text))


def still_refuses() -> str:
    """Say of a refusal that seems to be withdrawn that it holds."""
    return say(
        "写着作废、解除或又同意走访，谢绝照样有效",
        "says that it is withdrawn; the refusal holds all the same",
    )


def wanted_part(text: str) -> str:
    """Return a request's text without the clauses that only call something off; a question or complaint stays.

    >>> wanted_part("不需要助餐了，取消"), wanted_part("助餐不用了，改要陪诊"), wanted_part("为什么取消送餐？")
    ('', '改要陪诊', '为什么取消送餐？')
    >>> wanted_part("低保被取消了"), wanted_part("暖气停掉了"), wanted_part("助餐先停掉吧")
    ('低保被取消了', '暖气停掉了', '')
    >>> wanted_part("低保取消"), wanted_part("取消高龄津贴"), wanted_part("申请取消低保"), wanted_part("低保不用了")
    ('低保取消', '取消高龄津贴', '', '')
    """
    if not re.search(CALLS_OFF, text):
        return text
    clauses = re.split(r"([，,。；;！!？?、\s]+)", text)
    pairs = zip(clauses[::2], [*clauses[1::2], ""], strict=True)
    kept = [
        said + sign
        for said, sign in pairs
        if not said
        or "？" in sign
        or "?" in sign
        or not _CALLED_OFF.fullmatch(said)
        or _TAKEN_AWAY.fullmatch(said)
    ]
    return text if len(kept) == len(clauses[::2]) else "".join(kept)


def asks_who_is_willing(name: str) -> bool:
    """Whether a column asks who is willing to be visited, so that a no refuses; a count or day of visits does not.

    >>> [asks_who_is_willing(name) for name in ("是否愿意走访", "走访意愿", "不接受上门", "是否拒访", "接受走访次数")]
    [True, True, False, False, False]
    """
    narrow = unicodedata.normalize("NFKC", name)
    return bool(_WILLING.search(narrow)) and not re.search("[不拒]", narrow) and not _COUNTS.search(narrow)


def tells_refusal(column: str) -> bool:
    """Whether a column answers who refuses visits, or who is willing to be visited."""
    return names_refusal(column) or asks_who_is_willing(column)


def refuses(column: str, value: str) -> bool:
    """Whether a cell of a column on refusals refuses: all but a plain no, or a no where it asks who is willing.

    >>> [refuses(*cell) for cell in (("是否拒访", "是"), ("是否拒访", "否"), ("是否愿意", "是"), ("愿意走访", "不"))]
    [True, False, False, True]
    """
    word = plain(value)
    willing = re.search(_READY, column) and not re.search("[不拒]", column)
    if names_refusal(column) or not willing:
        return word not in VISITS_WELCOME
    averse = re.search("[不拒没]", _NOT_AVERSE.sub("", word))
    return word in NOES or (word not in NOTHING | UNKNOWN and bool(averse))
