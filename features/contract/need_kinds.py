"""What a need is about, and which attributes of a household may therefore be told as a reason for a visit about it.

An attribute that is listed neither here nor under ``features.reasons`` of community.yaml is never told as a reason.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Place = Literal["list", "home", "office", "never"]  # each includes the places before it
NeedKind = Literal["children", "elders", "health", "work", "hardship", "home", "disputes"]
FEWEST_TOLD = 3  # households; a reason that counts fewer could let one be recognised
PLACES: tuple[Place, ...] = ("list", "home", "office", "never")
KINDS: dict[str, tuple[str, str]] = {  # name and words that tell the kind
    "children": (
        "孩子",
        r"托管|托育|托班|儿童|孩子|课后|兴趣班|暑假|寒假|学生|青少年|幼|亲子|child|school|pupil|kids",
    ),
    "elders": ("老人", r"老人|老年|养老|助餐|送餐|日间照料|探访|敬老|elder|senior|canteen_meal|meals for"),
    "health": ("健康", r"医|病|康复|护理|健康|用药|残疾|medical|health|disab|illness|nursing"),
    "work": ("就业", r"就业|招聘|找工作|培训|直播带货|创业|技能|job|employ|training|vocational"),
    "hardship": ("困难", r"救助|困难|补助|低保|急难|临时救济|\baid\b|_aid\b|relief|hardship|allowance"),
    "home": ("住房", r"维修|漏水|水管|电路|房屋|住房|租房|物业|加装电梯|repair|housing|plumb"),
    "disputes": ("纠纷", r"调解|纠纷|法律|律师|维权|mediat|legal|dispute|lawyer"),
}


@dataclass(frozen=True)
class Telling:
    """Whether and where a reason may be told.

    What tells a stranger who is alone, or when nobody is at home, is never of the place "list": lists lie on paper,
    beside the door and the telephone, and paper is lost.

    topic: reasons of one topic say the same in other words; only one of them is told. place: where it may be told at most
    ("list": on lists, also on paper; "home": also on the household's own page, behind a tap; "office": only to
    coordinators).
    kinds: the kinds of needs for which it may be a reason; None: any need.
    """

    topic: str
    place: Place
    kinds: frozenset[str] | None = None

    def allows(self, place: Place, kinds: Iterable[str]) -> bool:
        """Tell whether the reason may stand in a place for a need of these kinds."""
        shown = PLACES.index(self.place) <= PLACES.index(place) and self.place != "never"
        return shown and (self.kinds is None or not self.kinds.isdisjoint(kinds))


NEVER = Telling("", "never")


def _for(topic: str, place: Place, *kinds: str) -> Telling:
    return Telling(topic, place, frozenset(kinds))


# The first line whose words are in the attribute's name or Chinese name counts.
ATTRIBUTES: tuple[tuple[str, Telling], ...] = (
    (r"ethnic|民族|religio|宗教|party|党员|gender|性别|^sex$|nationality", NEVER),
    (r"hukou|户籍|户口|migrant|外来|language|语言|educat|学历|文化程度", NEVER),
    (r"household_type|家庭类型|relation|marital|婚姻|veteran|退役", NEVER),
    (r"head|户主|spouse|配偶", NEVER),
    (r"single_parent|单亲", _for("children", "office", "children", "hardship")),
    (
        r"dual_earner|dual_income|双职工|left_behind|留守|外出务工|白天无人|白天没人",
        _for("who_is_home", "home", "children", "elders"),
    ),
    (r"lives?_alone|living_alone|solitary|独居|独自|empty_nest|空巢", _for("elders", "home", "elders")),
    (r"child|孩子|儿童|子女", _for("children", "list", "children")),
    (r"elder|老人|老年|oldest|最年长", _for("elders", "list", "elders", "health")),
    (r"chronic|慢性病|illness|disease|disab|残疾", _for("health", "office", "health", "elders")),
    (r"employ|就业|职业|失业|occupation|job", _for("work", "office", "work")),
    (r"income|收入|dibao|低保|poverty|困难", _for("hardship", "office", "hardship")),
    (r"^rents?$|renter|tenure|租房|租住", _for("home", "home", "home")),
    (r"building|建成|房龄", _for("home", "list", "home")),
)


@lru_cache(maxsize=4096)
def telling_of(name: str, zh: str = "") -> Telling:
    """Find where an attribute may be told as a reason, by its name and its Chinese name.

    >>> telling_of("dual_earner").place, telling_of("party_member").place, telling_of("shoe_size").place
    ('home', 'never', 'never')
    """
    text = f"{name}\n{zh}".lower()
    return next((telling for words, telling in ATTRIBUTES if re.search(words, text, re.MULTILINE)), NEVER)


@lru_cache(maxsize=4096)
def kinds_of(*texts: str) -> frozenset[str]:
    """Find what a need is about from its id, names, keywords and ``who``.

    >>> sorted(kinds_of("medical_aid", "医疗救助")), sorted(kinds_of("summer_care", "", "children > 0"))
    (['hardship', 'health'], ['children'])
    """
    text = "\n".join(texts).lower()
    return frozenset(kind for kind, (_, words) in KINDS.items() if re.search(words, text))
