"""Say in words why a household may be the one that a record means."""

from features.language import say
from features.linking.evidence import DOOR, NAME, PHONE, PLACE, Evidence

_DOOR = {
    "same": ("门牌一致", "same door"),
    "lacking": ("门牌一致（有一方缺单元或组）", "same door, with a part left out"),
    "part": ("同一幢，没写室号", "same building, no room"),
    "near": ("门牌差一字", "door differs by one sign"),
    "other": ("门牌不同", "another door"),
}
_PLACE = {
    "alike": ("小区名相近", "estate's name alike"),
    "unknown": ("小区名不认识", "unknown estate"),
    "other": ("小区不同", "another estate"),
}
_FULL = {
    "same": ("姓名一致", "same name"),
    "sound": ("姓名同音", "name sounds the same"),
    "near": ("姓名差一字", "name differs by one sign"),
    "surname": ("同姓", "same surname"),
    "other": ("姓名不同", "another name"),
}
_PARTLY = {"same": ("姓氏相符", "surname agrees"), "other": ("姓氏不同", "another surname")}
_PHONE = {
    "same": ("电话一致", "same telephone"),
    "near": ("电话差一位", "telephone differs by one digit"),
    "other": ("电话不同", "another telephone"),
}


def reason_of(evidence: Evidence, pair: int) -> str:
    """Say how a pair agrees and differs, for example 门牌一致；姓氏相符；电话不同."""
    name = _FULL if evidence.form[pair] == 0 else _PARTLY
    words = [
        _DOOR.get(DOOR[evidence.door[pair]]),
        _PLACE.get(PLACE[evidence.place[pair]]) if evidence.door[pair] else None,
        name.get(NAME[evidence.name[pair]]),
        _PHONE.get(PHONE[evidence.phone[pair]]),
    ]
    return say("；", "; ").join(say(*pair) for pair in words if pair)
