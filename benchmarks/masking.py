"""Measure how much personal data in made-up texts is masked, and how much else with it.

``python benchmarks/masking.py [CASES] [FILE]``: every secret is put into sentences of the kind that residents write; recall is the share of secrets of which nothing is left, by kind; false masks are counted in sentences without any secret
and, where a FILE with a text a line is given, shown as masks per thousand characters of it. Intervals are Wilson's, 95%.
"""

import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from faker import Faker
from stdnum import luhn
from stdnum.cn import ric

from features.masking.mask import OPEN, mask_text
from models.evaluation.share_intervals import wilson

PEOPLE = Faker("zh_CN")  # an independent list of names
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛超明霞秀兰平刚桂英华玉萍红建国志梓涵宇轩欣怡浩然子佳琪雨桐晨思俊博文海燕春梅凤珍雪婷慧琳鹏飞龙德福生根宝贵荣庆祥"
NAMED = (
    "{}反映家里水管坏了", "我叫{}，孩子没人带", "网格员走访了{}，老人独居", "居民{}来电，咨询低保怎么办", "联系人：{}，希望尽快回复", "楼上{}家天天吵到半夜",
    "{}阿姨说暑假想报名托管班", "投诉人{}称物业不作为", "{}的儿子失业在家", "今天去看了{}和她的孙子", "户主{}，家里三口人", "经核实，{}符合条件", "找{}了解情况，他说没有困难", "已告知{}到社区办理",
    "（{}）", "{}、需要助餐", "邻居{}的狗半夜叫", "反映人:{} 诉求:停车难",
)  # fmt: skip
NUMBERED = (
    "联系电话{}", "请打{}找我", "我的号码是{}，谢谢", "（{}）", "家里{}漏水", "登记的是{}。", "核实{}属实", "{}，希望尽快处理", "反映人：{} 诉求：停车",
)  # fmt: skip
CLEAN = (
    "高峰期马路堵车，希望安排交警疏导", "方便的时候请社区安排安全检查", "文明城市创建期间，垃圾分类做得很好", "2020年1月6日下午3点停电到5点，共停了2小时", "104国道和5号线施工，路面不平",
    "12345热线工单编号20200106120938001已办结", "物业费每平方米2.35元，一年1380元", "小区有12栋楼共1024户居民", "建议在8号楼旁边装充电桩", "黄金时段广场舞音乐声音太大", "白天有人高空抛物，应当管管",
    "常年失修的石板路，何时能解决", "全家都是低保户，申请临时救助", "孩子明年上小学，学区划分方案什么时候公开", "医保卡余额查询不了", "公交站台离小区有1500米，老人不方便", "请问2021年城乡居民养老保险缴费标准",
    "开发商承诺2019年12月31日交房，现在还没交", "温馨提示没有张贴，水平太差", "金额为13800元的补贴没有到账", "第三季度共走访了356户", "工资拖欠了3个月，共18000元", "夏天停水停电，严重影响生活", "高考期间工地夜间施工",
    "幼儿园每月收费2800元，是否合理", "左右邻居都反映车位不够", "连续三天没有热水，管道坏了", "政府应该关心农民工", "马桶堵了，不会修", "项目施工时间是早上6点到晚上10点", "任何人都可以申请吗", "请求解决江边夜市油烟扰民",
    "咨询电话打不通，热线一直占线", "区域内有3家超市、2个药店", "我是退休工人，养老金每月3200元", "楼道里堆放杂物，安全隐患大", "公园里的路灯坏了12盏", "合同约定违约金5%，计划下月支付", "成都路的公共厕所太脏", "雷雨天气电梯总停",
)  # fmt: skip


def main(cases: int = 400, file: Path | None = None) -> None:
    """Print recall by kind and false masks."""
    draw = np.random.default_rng(19)
    PEOPLE.seed_instance(19)
    print(f"{'kind':12} {'secrets':>8} {'masked':>8}   95% interval")
    for kind, secret, frames in SECRETS:
        hits = sum(masked(secret(draw), str(draw.choice(frames))) for _ in range(cases))
        report(kind, hits, cases)
    wrong = [text for text in CLEAN if OPEN in mask_text(text)]
    report("false masks", len(wrong), len(CLEAN))
    print(*wrong, sep="\n")
    if file:
        texts = file.read_text("utf-8").splitlines()
        found: dict[str, int] = defaultdict(int)
        for text in texts:
            for part in mask_text(text).split(OPEN)[1:]:
                found[part.split("］")[0]] += 1
        length = sum(map(len, texts)) / 1000
        print(
            *(f"{kind}: {count / length:.2f} a thousand characters" for kind, count in found.items()),
            sep="\n",
        )


def report(kind: str, hits: int, cases: int) -> None:
    low, high = wilson(hits, cases)
    print(f"{kind:12} {cases:8} {hits / cases:8.1%}   {low:.1%} to {high:.1%}")


def masked(secret: str, frame: str) -> bool:
    """Tell whether nothing of the secret is left: no two neighbouring characters that the frame does not have."""
    left = mask_text(frame.format(secret))
    return not any(
        secret[at : at + 2] in left for at in range(len(secret) - 1) if secret[at : at + 2] not in frame
    )


def name(draw: np.random.Generator) -> str:
    return str(draw.choice(list(SURNAMES))) + "".join(
        draw.choice(list(GIVEN), draw.choice([1, 2], p=[0.2, 0.8]))
    )


def digits(draw: np.random.Generator, count: int) -> str:
    return "".join(map(str, draw.integers(0, 10, count)))


def mobile(draw: np.random.Generator) -> str:
    number = f"1{draw.integers(3, 10)}{digits(draw, 9)}"
    forms: tuple[Callable[[str], str], ...] = (
        str, str, lambda n: f"{n[:3]} {n[3:7]} {n[7:]}", lambda n: f"{n[:3]}-{n[3:7]}-{n[7:]}", lambda n: f"+86{n}", lambda n: f"0086 {n}",
        lambda n: n.translate(str.maketrans("0123456789", "０１２３４５６７８９")), lambda n: n.translate(str.maketrans("0123456789", "零一二三四五六七八九")),
    )  # fmt: skip
    return forms[draw.integers(len(forms))](number)


def landline(draw: np.random.Generator) -> str:
    return (
        draw.choice(["010", "021", "0571", "0755", "0731"])
        + draw.choice(["-", "", " "])
        + str(draw.integers(2, 9))
        + digits(draw, 7)
    )


def identity(draw: np.random.Generator) -> str:
    county = draw.choice(["360426", "110101", "330106", "430102", "440305", "510104"])
    start = f"{county}{draw.integers(1935, 2020)}{draw.integers(1, 13):02}{draw.integers(1, 29):02}{digits(draw, 3)}"
    number = start + ric.calc_check_digit(f"{start}0")
    return number.lower() if draw.random() < 0.3 else number


def identity_with_slip(draw: np.random.Generator) -> str:
    number = identity(draw)
    return number[:17] + str((int(number[16]) + 1) % 10)


def card(draw: np.random.Generator) -> str:
    start = draw.choice(["622202", "621700", "623668", "436742", "552245"]) + digits(
        draw, int(draw.choice([9, 12]))
    )
    number = start + luhn.calc_check_digit(start)
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4)) if draw.random() < 0.4 else number


def email(draw: np.random.Generator) -> str:
    return f"{''.join(draw.choice(list('abcdefghijkxyz'), 6))}{draw.integers(99)}@{draw.choice(['qq.com', '163.com', 'mail.example.cn'])}"


def account(draw: np.random.Generator) -> str:
    own = "".join(draw.choice(list("abcdefghijkxyz_"), 7)).strip("_") + digits(draw, 3)
    return "a" + own if draw.random() < 0.7 else f"wxid_{own}"


def plate(draw: np.random.Generator) -> str:
    tail = "".join(draw.choice(list("ABCDEFGH0123456789"), int(draw.choice([5, 6]))))
    return (
        f"{draw.choice(list('京沪浙湘粤川鲁苏'))}{draw.choice(list('ABCDEF'))}{draw.choice(['', '·'])}{tail}"
    )


def door(draw: np.random.Generator) -> str:
    """The unit and room behind a building."""
    unit, room = draw.integers(1, 6), f"{draw.integers(1, 30)}{draw.integers(1, 5):02}"
    return str(
        draw.choice(
            [f"{unit}单元{room}", f"{unit}单元{room}室", f"{room}室", f"{unit}-{room}", f"{unit}单元{room}号"]
        )
    )


PLATE = tuple(frame for frame in NUMBERED if "电话" not in frame)
SECRETS: tuple[tuple[str, Callable[[np.random.Generator], str], tuple[str, ...]], ...] = (
    ("name", name, NAMED),
    ("Faker name", lambda draw: PEOPLE.name(), NAMED),
    ("mobile", mobile, NUMBERED),
    ("landline", landline, NUMBERED),
    ("identity", identity, NUMBERED),
    ("slip in it", identity_with_slip, NUMBERED),
    ("bank card", card, NUMBERED),
    ("e-mail", email, NUMBERED),
    (
        "WeChat",
        account,
        ("加我微信{}", "微信号：{}，谢谢", "vx {}", "微信是{}", "WeChat: {}", "我的微信号{}"),
    ),
    ("car plate", plate, PLATE),
    ("door", door, ("住幸福里3幢{}", "3号楼{}漏水", "住在12栋{}，电梯坏了", "5幢{}的老人", "阳光花园8座{}")),
)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400, Path(sys.argv[2]) if len(sys.argv) > 2 else None)
