"""Why each visit stands on the list, in the language of whoever reads it."""

import re
from pathlib import Path

import pytest
from hand_made import GOOD, hand_made_model, make_town
from make_records import make_community
from small_town import AS_OF, NEEDS

from features.language import set_language
from features.point_in_time.records import known_before
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
