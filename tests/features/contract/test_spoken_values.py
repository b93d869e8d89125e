"""Values as people write them are read, and what can mean two things is not."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.contract.spoken_values import (
    read_birth,
    read_moment,
    read_number,
    read_score,
    read_truth,
)

ZONE = "Asia/Shanghai"
FORMS = st.sampled_from(["{:%Y}年{:%m}月{:%d}日{:%H}点{:%M}分", "{:%Y}/{:%m}/{:%d} {:%H}：{:%M}"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24.3.5", "2024-03-05 00:00"),
        ("24/3/5 9:30", "2024-03-05 09:30"),
        ("２０２４年３月５日", "2024-03-05 00:00"),
        ("二〇二四年三月五日", "2024-03-05 00:00"),
        ("2024年3月5日上午9点", "2024-03-05 09:00"),
        ("2024年3月5日下午3点半", "2024-03-05 15:30"),
        ("2024-03-05 下午3点", "2024-03-05 15:00"),
        ("2024-03-05 3pm", "2024-03-05 15:00"),
        ("2024-03-05 12:30 AM", "2024-03-05 00:30"),
        ("2024-03-05 9时", "2024-03-05 09:00"),
        ("2024-03-05  9：00", "2024-03-05 09:00"),
        ("2024-03-05 中午12:30", "2024-03-05 12:30"),
        ("2024-03-05 晚上8点", "2024-03-05 20:00"),
        ("2024-03-05 24:00", "2024-03-06 00:00"),
        ("2024年3月5号", "2024-03-05 00:00"),
        ("2024—03—05", "2024-03-05 00:00"),
        ("2024-03-05(周二)", "2024-03-05 00:00"),
        ("5-Mar-24", "2024-03-05 00:00"),
        ("2024-03-04T16:00:00Z", "2024-03-05 00:00"),
        ("1709600000", "2024-03-05 08:53"),
        ("1709600000000", "2024-03-05 08:53"),
        ("2024-03-05 09:00:00 CST", "2024-03-05 09:00"),
        ("2024-03-05 01:00:00 UTC", "2024-03-05 09:00"),
        ("Tue Mar 05 09:00:00 CST 2024", "2024-03-05 09:00"),
        ("2024-03-05-09-00", "2024-03-05 09:00"),
    ],
)
def test_dates_as_offices_write_them(text, expected):
    assert f"{read_moment(text, ZONE):%Y-%m-%d %H:%M}" == expected


@pytest.mark.parametrize(
    "text",
    [
        "11/04",
        "05/03/2024",
        "3/5/2024",
        "3月5日",
        "2024-02-30",
        "2024-3",
        "240305",
        "2024-03-05 25:00",
        "2024/3/5至2024/3/7",
        "正月初五",
        "2024-03-05 9",
        "13900000000",
        "2024-03-05 09:00 JST",
        "2024-03-05 09:00+25:00",
        "0001-01-01 00:00:00+08:00",
        "9999-12-31 24:00",
        "9999-12-31 23:00-05:00",
        "2024-03-05 09:00-10:00",
        "2024年3月5日 9:00 - 10:30",
        "",
    ],
)
def test_what_can_mean_two_days_or_none_is_refused(text):
    assert read_moment(text, ZONE) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3个", 3),
        ("1人", 1),
        ("3 口人", 3),
        ("约4500元", 4500),
        ("￥5,850", 5850),
        ("0.58万", 5800),
        ("三", 3),
        ("３", 3),
        ("两个", 2),
        ("65岁", 65),
        ("1957年", 1957),
        ("50%", 50),
        ("80㎡", 80),
        ("一百零五", 105),
        ("2个小孩", 2),
        ("3孩", 3),
    ],
)
def test_numbers_with_units(text, expected):
    assert read_number(text) == expected


@pytest.mark.parametrize(
    "text", ["5000-5999", "3级", "2室1厅", "1栋", "不详", "低保户", "3.30481E+17", "三级"]
)
def test_no_numbers(text):
    assert read_number(text) is None


def test_yes_and_no_and_satisfaction():
    assert [read_truth(one) for one in ("√", "是的", "有", "×", "不是", "无", "也许")] == [
        *[True] * 3,
        *[False] * 3,
        None,
    ]
    assert [read_score(one) for one in ("非常满意", "满意", "一般", "不满意", "非常不满意")] == [
        5,
        4,
        3,
        2,
        1,
    ]
    assert [read_score(one) for one in ("5分", "４", "五星", "★★★★", "95", "6分", "好人")] == [
        5,
        4,
        5,
        4,
        *[None] * 3,
    ]


def test_births():
    assert [
        str(read_birth(one)) for one in ("19470115", "1947.1.15", "1947年1月", "1947.01", "1957年", "1957")
    ] == [
        *["1947-01-15"] * 4,
        *["1957-07-01"] * 2,
    ]
    assert [read_birth(one) for one in ("65岁", "47", "19471315", "不详", "330481194701151029")] == [None] * 5


@given(
    st.datetimes(min_value=datetime(1900, 1, 1)),
    FORMS,
)
def test_a_time_that_is_written_is_read_back(moment, form):
    moment = moment.replace(second=0, microsecond=0)
    assert read_moment(form.format(*[moment] * 5), ZONE) == moment


@given(st.text(max_size=12))
def test_no_text_ends_the_reading(text):
    for read in (read_number, read_truth, read_score, read_birth):
        read(text)
    read_moment(text, ZONE)
