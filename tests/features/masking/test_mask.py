import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.masking.mask import mask_text, mask_texts


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("联系人：李秀英，13812345678", "联系人：［姓名］，［电话］"),
        ("请打 138-1234-5678 或 0571-87654321 找我", "请打 ［电话］ 或 ［电话］ 找我"),
        ("电话一三八一二三四五六七八", "电话［电话］"),
        ("身份证360426199101010071", "身份证［身份证号］"),
        ("身份证３６０４２６１９９１０１０１００７１", "身份证［身份证号］"),
        ("身份证360426199101010072", "身份证［身份证号］"),  # a wrong check digit protects nobody
        ("卡号6222021234567890128", "卡号［银行卡号］"),
        ("邮箱zhang.san@example.cn，微信号：abc_12345", "邮箱［邮箱］，微信号：［账号］"),
        ("车牌浙A·12345被锁", "车牌［车牌］被锁"),
        ("住幸福里3幢2单元501室", "住幸福里3幢［门牌］"),
        ("12栋3-1402漏水，幸福路58号门口", "12栋［门牌］漏水，幸福路［门牌］门口"),
        ("邻居王阿姨和欧阳建国先生", "邻居［姓名］阿姨和［姓名］先生"),
        ("居民买买提·阿不都，来电", "［姓名］，来电"),
    ],
)
def test_what_tells_a_person_is_replaced_by_its_kind(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "2020年1月6日下午3点停电到5点，共停了2小时",
        "12345热线工单编号20200106120938001已办结",
        "104国道和5号线施工，高峰期马路堵车",
        "物业费每平方米2.35元，一年1380元，小区有12栋楼共1024户居民",
        "全家都是低保户，医保卡余额查询不了",
        "政府热线400-820-8820一直占线",
    ],
)
def test_what_tells_nobody_stays(text: str) -> None:
    assert mask_text(text) == text


def test_names_of_the_rows_own_columns_are_masked_wherever_they_stand() -> None:
    assert mask_text("万晓和万晓的妈妈都在", names=["万晓"]) == "［姓名］和［姓名］的妈妈都在"


def test_a_column_keeps_its_index_and_what_is_missing() -> None:
    texts = pd.Series(["13812345678", None, "停电了"], index=[5, 7, 9])
    masked = mask_texts(texts)
    assert masked.to_dict() == {5: "［电话］", 7: masked[7], 9: "停电了"}
    assert pd.isna(masked[7])


@given(
    st.text("我叫王李秀英，住3幢2单元501电话 138", max_size=30),
    st.from_regex(r"1[3-9]\d{9}", fullmatch=True),
    st.text("家里漏水：，。（王阿姨", max_size=20),
)
def test_a_telephone_never_survives_and_masking_twice_changes_nothing(
    before: str, number: str, after: str
) -> None:
    masked = mask_text(f"{before}。{number}{after}")
    assert number not in masked
    assert mask_text(masked) == masked
