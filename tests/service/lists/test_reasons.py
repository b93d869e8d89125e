"""Why each visit stands on the list, in the language of whoever reads it."""

import re
from pathlib import Path

import pandas as pd
import pytest
from hand_made import GOOD, hand_made_model, make_town
from make_records import make_community, make_records
from small_town import AS_OF, NEEDS, iso

from features.blocks.household import attribute_telling
from features.language import set_language
from features.point_in_time.records import known_before
from features.point_in_time.schema import Attribute
from models.registry.champion import Champion
from models.scoring.score import score
from service.lists.reasons import reasons_in
from service.planning.planner import plan

NAMES = {"childcare": "Childcare", "meals": "Meals", "refuge": "Refuge"}
CHINESE = re.compile("[一-鿿]")


@pytest.mark.parametrize("spoken", ["zh", "en"])
def test_reasons_are_in_each_readers_language_whatever_the_office_speaks(spoken: str) -> None:
    needs = [{**need, "name": {**need["name"], "en": NAMES[need["id"]]}} for need in NEEDS]
    settings = {"visits_per_worker": 3, "explore_share": 0.4}
    records = make_town(community=make_community(needs, outreach=settings))
    known = known_before(records, AS_OF)
    model = hand_made_model(known, GOOD)
    visits = plan(score(records, model, AS_OF, 1).scores, known).visits
    assert set(visits["arm"]) == {"targeted", "random"}
    set_language(spoken)
    texts = reasons_in(("zh", "en"), visits, known, Champion(model, 1, Path("nowhere")))
    for column in ("reason", "why"):
        assert all(CHINESE.search(text) for text in texts["zh"][column])
        assert not [text for text in texts["en"][column] if CHINESE.search(text)]


def test_paper_tells_no_stranger_who_is_alone_and_numbers_mean_the_same_as_on_the_phone() -> None:
    homes = [
        {"household_id": f"h{number:02}", "children": 0, "lives_alone": number % 2 == 0}
        for number in range(40)
    ]
    asked = [
        {"household_id": f"h{number:02}", "need": "meals", "requested_at": iso(AS_OF - 40 - number)}
        for number in range(0, 40, 2)
    ]
    settings = make_community([{**need, "kinds": ["elders"]} for need in NEEDS])
    known = known_before(make_records(homes, asked, community=settings), AS_OF)
    model = hand_made_model(known, {"household.lives_alone": 3.0, **GOOD})
    pairs = [(home, "meals") for home in known.household_ids]
    visits = pd.DataFrame(pairs, columns=["household_id", "need"]).assign(arm="targeted")
    told = reasons_in(("zh",), visits, known, Champion(model, 1, Path("nowhere")))["zh"]
    alone = told[told["why"].str.contains("独居")]
    assert len(alone) > 5
    assert not told["paper"].str.contains("独居").any()
    for why, paper in zip(told["why"], told["paper"], strict=True):
        assert paper and why.startswith(paper)


def test_what_a_community_opens_stays_off_paper_if_it_tells_who_is_alone() -> None:
    settings = make_community(NEEDS, features={"reasons": {"独居": ["elders"], "用水少": ["elders"]}})
    attributes = [
        Attribute(name, "boolean", zh=name, en=name) for name in ("独居", "用水少", "双职工", "留守儿童")
    ]
    places = [attribute_telling(attribute, settings).place for attribute in attributes]
    assert places == ["home", "list", "home", "home"]
