from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.contract.community import Community
from features.language import UserError
from features.store.plain_file import from_bytes, to_bytes
from models.text.categories import propose_categories, read_categories, write_categories
from models.text.decisions import keep_decisions, key_of, read_decisions
from models.text.evaluate import evaluate, learnable
from models.text.fields import count_ngrams
from models.text.gate import judge
from models.text.model import TextModel
from models.text.needs import needs_of, own_part

COMMUNITY = Community.model_validate(
    {
        "community": {"name": "西山"},
        "needs": [
            {"id": "childcare", "name": "暑期托管", "keywords": ["托管", "暑假"]},
            {"id": "repair", "name": "房屋维修", "keywords": ["漏水", "维修"]},
            {"id": "dispute", "name": "邻里纠纷", "keywords": ["纠纷", "吵"]},
        ],
    }
)
WORDS = {
    "childcare": ["孩子没人带", "想上托管班", "暑假怎么安排", "小学放假", "接送孩子"],
    "repair": ["水管坏了", "屋顶漏水", "墙皮掉了", "电路跳闸", "马桶堵了"],
    "dispute": ["停车吵架", "要求调解", "宅基纠纷", "借钱不还", "围墙争议"],
}


def made_up(count: int = 40) -> tuple[list[str], np.ndarray]:
    draw = np.random.default_rng(5)
    texts, labels = [], []
    for number in range(count * 3):
        need = number % 3
        said = draw.choice(list(WORDS.values())[need], 2, replace=False)
        texts.append(f"{said[0]}，{said[1]}，第{number}次反映，请社区尽快处理")
        labels.append(np.arange(3) == need)
    return texts, np.array(labels)


@pytest.fixture(scope="module")
def trained():
    texts, labels = made_up()
    keywords = [need.keywords for need in COMMUNITY.needs]
    return evaluate(texts, labels, list(WORDS), keywords)


def found(
    texts: list[str], model: TextModel | None = None, decided: pd.DataFrame | None = None
) -> list[list[str]]:
    answers = needs_of(pd.Series(texts), COMMUNITY, model, decided)
    return [sorted(rows["need"].dropna()) for _, rows in answers.groupby("row")]


def test_keywords_find_several_needs_and_abstain_without_any() -> None:
    answers = needs_of(pd.Series(["屋顶漏水，暑假孩子没人带", "你好", None], index=[7, 8, 9]), COMMUNITY)
    assert answers["row"].tolist() == [7, 7, 8, 9]
    assert set(answers["need"].dropna()) == {"repair", "childcare"}
    assert answers["abstained"].tolist() == [False, False, True, True]


def test_a_text_of_several_matters_recognised_in_part_is_also_asked_about() -> None:
    texts = ["漏水、陪诊", "屋顶漏水，另外想找人陪着看病", "漏水、托管", "屋顶漏水，请尽快处理"]
    answers = needs_of(pd.Series(texts), COMMUNITY)
    assert [rows["abstained"].tolist() for _, rows in answers.groupby("row")] == [
        [False, True],
        [False, True],
        [False, False],
        [False],
    ]


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("邻居家的狗半夜叫", ""),
        ("楼上漏水，一直没人维修", ""),
        ("隔壁天天装修，吵得睡不着", ""),
        ("楼上装修，我家屋顶漏水了", "我家屋顶漏水了"),
        ("邻居王阿姨想上托管。另外家里水管坏了", "另外家里水管坏了"),
        ("楼上楼下都没有电梯", "楼上楼下都没有电梯"),
        ("卫生间漏水，请派人维修", "卫生间漏水，请派人维修"),
    ],
)
def test_what_is_told_of_neighbours_is_not_the_speakers_need(text: str, own: str) -> None:
    assert own_part(text) == own


def test_a_complaint_about_a_neighbour_is_left_to_a_person_with_what_it_may_be() -> None:
    answers = needs_of(pd.Series(["楼上漏水，一直没人维修"]), COMMUNITY)
    assert answers["abstained"].all()
    assert answers["candidates"].iloc[0] == ["repair", "dispute"]


def test_the_classifier_learns_beyond_keywords_and_survives_its_file(trained) -> None:
    evaluation, model = trained
    assert evaluation.metrics["macro_f1"] > evaluation.metrics["keywords_macro_f1"]
    assert np.allclose(evaluation.chances.sum(axis=1), 1)
    again = from_bytes(to_bytes(model), TextModel)
    texts = ["墙皮掉了，电路跳闸", "接送孩子，小学放假"]
    assert np.allclose(model.probabilities(texts), again.probabilities(texts))
    assert found([*texts, "天气很好"], again) == [["repair"], ["childcare"], []]


def test_two_matters_in_one_text_are_two_needs(trained) -> None:
    assert found(["墙皮掉了，电路跳闸。另外接送孩子，小学放假"], trained[1]) == [["childcare", "repair"]]


def test_a_decision_counts_before_all_and_keeps_no_personal_data(tmp_path: Path) -> None:
    text = "请打13812345678，漏水"
    decided = pd.DataFrame({"text": [text, "屋顶漏水"], "need": ["dispute", None]})
    assert keep_decisions(tmp_path, decided) == 2
    kept = read_decisions(tmp_path)
    assert "13812345678" not in " ".join(kept["text"])
    assert found([text, "屋顶漏水"], None, kept) == [["dispute"], []]
    keep_decisions(tmp_path, pd.DataFrame({"text": [text], "need": ["repair"]}))
    assert found([text], None, read_decisions(tmp_path)) == [["repair"]]


def test_a_new_classifier_is_no_worse_than_the_one_in_force_on_texts_new_to_both(trained) -> None:
    evaluation, model = trained
    texts, _ = made_up()
    assert judge(evaluation, texts, None, ())[0]
    blind = replace(model, weights=np.zeros_like(model.weights))
    assert judge(evaluation, texts, blind, ())[0]
    worse = replace(evaluation, chances=1 - evaluation.chances)
    allowed, why = judge(worse, texts, model, ())
    assert not allowed and "1.000" in why
    allowed, why = judge(evaluation, texts, blind, [key_of(text) for text in texts[:-5]])
    assert not allowed and "5" in why


def test_what_is_not_sure_tells_how_sure_it_is(trained) -> None:
    answers = needs_of(pd.Series(["天气很好", "停车，屋顶"]), COMMUNITY, trained[1])
    unsure = answers[answers["abstained"]]
    assert len(unsure) and unsure["probability"].between(0, 1).all()


def test_categories_are_proposed_from_names_and_edited_by_the_community(tmp_path: Path) -> None:
    table = propose_categories(["教育 > 暑期托管", "住建 > 漏水", "绿化养护"], COMMUNITY)
    assert table == {"教育 > 暑期托管": "childcare", "住建 > 漏水": "repair", "绿化养护": "text"}
    path = tmp_path / "categories.yaml"
    write_categories(path, table)
    path.write_text(path.read_text("utf-8").replace("绿化养护: text", "绿化养护: null"), "utf-8")
    assert read_categories(path, COMMUNITY) == table | {"绿化养护": None}
    path.write_text("教育: school\n", "utf-8")
    with pytest.raises(UserError, match="school"):
        read_categories(path, COMMUNITY)


def test_ngrams_end_with_their_text_and_do_not_depend_on_the_others() -> None:
    together = count_ngrams(["漏水", "", "停电了"])
    assert together.sum(axis=1).tolist() == [3, 0, 5]
    assert (together[[2]] != count_ngrams(["停电了"])).nnz == 0


def test_a_need_with_few_texts_is_not_learnt() -> None:
    assert learnable(["a"] * 5 + ["b"] * 4) == ["a"]
