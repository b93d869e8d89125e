"""Doors as ledgers write them, in the forms met in public data, are read part by part."""

import pytest

from features.linking.doors import Door, read_door
from features.linking.mentions import mentions

# the door of building 3, staircase 2, room 501
SAME = """西山花园3幢2单元501室
西山花园3栋2单元501
西山花园３幢２单元５０１室
西山花園3棟2單元501室
西山花园三幢二单元五零一室
西山花园三栋二单元五〇一
西山花园3号楼2门501
西山花园3#楼2单元501
西山花园3#2-501
西山花园3-2-501
西山花园3—2—501室
西山花园3－2－501
西山花园3/2/501
西山花园3.2.501
西山花园 3 幢 2 单元 501 室
西山花园第三幢第二单元第五层501
西山花园3座2梯501房
西山花园3幢2-501
西山花园3幢2单元5楼1号
西山花园03幢02单元0501
西山花园501室3幢2单元
西山花园3幢2单元501（租户）
浙江省温州市龙湾区星海街道西山花园3幢2单元501
家住西山花园3幢2单元501。"""


@pytest.mark.parametrize("text", SAME.splitlines())
def test_a_door_written_in_many_ways_is_one_door(text: str) -> None:
    assert read_door(text) == Door(("西山花园",), "", "3", "2", "501")


def test_a_street_office_alone_names_no_estate() -> None:
    assert read_door("温州市龙湾区星海街道第3幢第2单元501") == Door((), "", "3", "2", "501")


@pytest.mark.parametrize(
    ("text", "door"),
    [
        (
            "远洋·天铂华庭1幢2单元2206星海街道滨海十九路417号",
            Door(("远洋天铂华庭", "滨海19路417号"), "", "1", "2", "2206"),
        ),
        ("南都新村17栋2单元403室", Door(("南都新村",), "", "17", "2", "403")),
        ("新华路65-5号1301室", Door(("新华路",), "", "65-5", "", "1301")),
        ("黄村西大街115号院2号楼2单元402", Door(("黄村西大街115号",), "", "2", "2", "402")),
        ("淮海路98弄5号601室", Door(("淮海路98号",), "", "5", "", "601")),
        ("A座1203", Door((), "", "A", "", "1203")),
        ("复地上城81栋1011号", Door(("复地上城",), "", "81", "", "1011")),
        ("3楼2门501", Door((), "", "3", "2", "501")),
        ("12甲栋3单元402", Door((), "", "12甲", "3", "402")),
        ("3#501", Door((), "", "3", "", "501")),
        ("7幢2组15号", Door((), "", "7", "2", "15")),
        ("双喜村3组15号", Door(("双喜村",), "3", "15", "", "", True)),
        ("双喜村三组十五号", Door(("双喜村",), "3", "15", "", "", True)),
        ("2队12号", Door((), "2", "12", "", "", True)),
        ("皋头村105", Door(("皋头村",), "", "105", "", "", True)),
        ("和平巷甲3号", Door(("和平巷",), "", "甲3", "", "", True)),
        ("西山花园3幢", Door(("西山花园",), "", "3")),
        ("西山花园(二期)3幢501", Door(("西山花园2期",), "", "3", "", "501")),
        ("3幢2单元5楼东户", Door((), "", "3", "2", "5东")),
    ],
)
def test_parts_of_other_doors(text: str, door: Door) -> None:
    assert read_door(text) == door


@pytest.mark.parametrize("text", ["", "不详", "无", "138****1234", "。"])
def test_what_is_no_door_has_no_numbers(text: str) -> None:
    door = read_door(text)
    assert door is None or not (door.building or door.room)


def test_a_days_text_is_cut_into_its_doors() -> None:
    found = mentions(
        "上午走访：西山花园3幢2单元501张某、502李某反映漏水，4-1-302王阿姨需要助餐；双喜村3组15号张三家无人"
    )
    assert [(one.address, one.person, one.text) for one in found] == [
        ("西山花园3幢2单元501", "张某", ""),
        ("西山花园3幢2单元502室", "李某", "反映漏水"),
        ("西山花园4幢1单元302室", "王阿姨", "需要助餐"),
        ("双喜村3组15号", "张三家", "无人"),
    ]


@pytest.mark.parametrize("text", ["今天没有走访", "老人85岁，月收入3000元", "2024年3月5日下午3点开会"])
def test_a_text_without_doors_mentions_nobody(text: str) -> None:
    assert mentions(text) == []
