"""A slip in community.yaml: one line that names the place as users know it, before anything is taken over."""

import pytest
from tiny_town import TinyTown

from features.contract.settings_mistakes import slip_of_signs
from features.language import UserError, in_language

COMMUNITY = "community: {name: 西山社区}\n"
SLIPS = {
    "needs.missing": (COMMUNITY, "needs: 缺少这一项", "needs: is missing"),
    "no needs": (COMMUNITY + "needs: []", "needs: 至少要有一项", "at least one entry"),
    "number": (
        COMMUNITY + "needs: [{id: meals, horizon_weeks: 很多}]",
        "needs[meals].horizon_weeks: 请写数字",
        "write a number",
    ),
    "yes for a number": (
        COMMUNITY + "needs: [{id: meals, severity: yes}]",
        "needs[meals].severity: 请写数字",
        "write a number",
    ),
    "language": (
        "community: {name: 西山社区, language: fr}\nneeds: [{id: meals}]",
        "community.language: 只有 zh-CN 和 en，没有 fr",
        "zh-CN or en, not fr",
    ),
    "timezone": (
        "community: {name: 西山社区, timezone: Asia/Hangzhou}\nneeds: [{id: meals}]",
        "community.timezone: 没有这个时区：Asia/Hangzhou",
        "no such timezone: Asia/Hangzhou",
    ),
    "too much": (
        COMMUNITY + "needs: [{id: meals, severity: 9}]",
        "needs[meals].severity: 要不大于 3",
        "3 or less",
    ),
    "no id": (COMMUNITY + "needs: [{id: meals}, {severity: 2}]", "needs[2].id: 缺少这一项", "is missing"),
    "unquoted": (COMMUNITY + "needs: [{id: 12}]", "needs[12].id: 请写成文字", "in quotes"),
    "yes or no": (
        COMMUNITY + "needs: [{id: meals, sensitive: 也许}]",
        "needs[meals].sensitive: 请写 true",
        "true or false",
    ),
    "no list": (COMMUNITY + "needs: [{id: meals, keywords: 送饭}]", "keywords: 请写成列表", "a list"),
    "who": (COMMUNITY + "needs: [{id: meals, who: elders >}]", "who", "who"),
    "group": (
        COMMUNITY + "needs: [{id: meals}]\ngroups: [{id: alone, who: '(elders'}]",
        "group alone",
        "group alone",
    ),
    "no such day": (
        COMMUNITY + "needs: [{id: meals}]\nprogrammes: [{id: canteen, needs: [meals], opens: '02-30'}]",
        "programmes[canteen].opens: 没有这一天",
        "no such day",
    ),
    "month": (
        COMMUNITY + "needs: [{id: meals}]\nprogrammes: [{id: canteen, needs: [meals], opens: 七月}]",
        "programmes[canteen].opens: 请写月-日",
        "month-day",
    ),
    "wide comma": (
        COMMUNITY + "needs: [{id: meals, keywords: [送饭，助餐]}]",
        "needs[meals].keywords: “送饭，助餐” 里有中文逗号",
        "needs[meals].keywords: 送饭，助餐 has a wide comma",
    ),
    "curly quotes": (
        COMMUNITY + "needs: [{id: “meals”}]",
        "needs[“meals”].id: “meals” 带着中文引号",
        "curly quotes",
    ),
    "same name": (
        COMMUNITY + "needs: [{id: a, name: 助餐}, {id: b, name: 助餐}]",
        "两个需求都叫 助餐",
        "two are called 助餐",
    ),
    "wide colon": (COMMUNITY + "needs:\n- id：meals\n  severity: 2\n", ":3：冒号是中文的", ":3: its colon"),
    "tab": (
        COMMUNITY + "needs:\n- id: meals\n\tseverity: 2\n",
        ":4：行首有制表符",
        ":4: it begins with a tab",
    ),
    "wide blank": (
        COMMUNITY + "needs:\n- id: meals\n\u3000severity: 2\n",
        "里有中文冒号或全角空格",
        "a wide colon or blank",
    ),
    "wide colon inside": (
        COMMUNITY + "needs:\n- {id: meals, severity：3}\n",
        "needs[meals]: “severity：3” 里有中文冒号",
        "wide colon",
    ),
    "wide blanks": (
        COMMUNITY + "needs:\n  - id: meals\n    who: a\n\u3000\u3000severity: 2\n    horizon_weeks: 3\n",
        ":5：行首有全角",
        ":5: it begins",
    ),
    "no blank": (
        COMMUNITY + "needs:\n- id: meals\n  severity:2\n  who: a\n",
        ":4：冒号后面缺",
        ":4: a blank",
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_named_where_it_stands_and_nothing_is_taken_over(tiny_town: TinyTown, slip: str) -> None:
    text, zh, en = SLIPS[slip]
    tiny_town.ingest()
    held = (tiny_town.workspace / "community.yaml").read_text("utf-8")
    (tiny_town.directory / "community.yaml").write_text(text, "utf-8")
    for language, words in (("zh", zh), ("en", en)):
        with pytest.raises(UserError) as caught:
            in_language(language, tiny_town.ingest)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    assert (tiny_town.workspace / "community.yaml").read_text("utf-8") == held


@pytest.mark.parametrize("opens", ["07-05", "7/5", "2026-07-05", "'2026-07-05'"])
def test_the_day_on_which_a_programme_opens_may_be_written_in_many_ways(
    tiny_town: TinyTown, opens: str
) -> None:
    from features.store.reader import read_settings
    from models.demand.programmes import month_day

    path = tiny_town.directory / "community.yaml"
    path.write_text(
        COMMUNITY + "needs: [{id: childcare}, {id: meals}, {id: hardship}]\n"
        f"programmes: [{{id: school, needs: [meals], opens: {opens}}}]\n",
        "utf-8",
    )
    tiny_town.ingest()
    assert month_day(read_settings(tiny_town.workspace).programmes[0].opens, (1, 1)) == (7, 5)


def test_an_empty_text_and_quotes_within_one_are_no_slip() -> None:
    value = {
        "community": {"phone": "", "name": "“甲”社区"},
        "needs": [{"id": "a", "ask": "“谁”带孩子，几点？"}],
    }
    assert slip_of_signs(value) == ""
