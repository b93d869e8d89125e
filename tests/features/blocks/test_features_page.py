"""The page of features is what the catalogue says."""

from collections import Counter
from pathlib import Path

from docs.features_page import EXAMPLE, features_page
from features.blocks.build import catalogue

PAGE = Path(__file__).parents[3] / "docs" / "features.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == features_page(), "python docs/features_page.py > docs/features.md"


def test_every_feature_has_a_name_of_its_own_a_meaning_a_source_and_a_unit() -> None:
    features = catalogue(EXAMPLE)
    assert not [name for name, count in Counter(feature.name for feature in features).items() if count > 1]
    assert not [
        feature.name
        for feature in features
        if not (feature.zh and feature.en and feature.source and feature.unit)
    ]
