"""The worked example of docs/architecture.md: one entry makes an estimator take part, and be read back."""

import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.special import expit

from models.underreporting.comparison import WEEKS, fit_estimators, measures
from models.underreporting.design import DesignMatrix
from models.underreporting.estimators import ESTIMATORS, EstimatorKind, VisitSample

PAGE = Path(__file__).parents[3] / "docs" / "architecture.md"


@pytest.fixture
def example() -> ModuleType:
    """The module that the page shows."""
    section = PAGE.read_text("utf-8").split("### Add an estimator")[1].split("\n### ")[0]
    source = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert source
    made = ModuleType("need_rate")
    exec(source[1], made.__dict__)
    return made


def visits(count: int = 2000) -> VisitSample:
    """Visits to silent pairs of two needs, found one time in ten and four times in ten."""
    draw = np.random.default_rng(1)
    need, household = draw.integers(0, 2, count).astype(np.int16), np.arange(count, dtype=np.int32)
    nothing, silent, asked = (
        np.zeros((count, 3)),
        np.ones(count, dtype=bool),
        np.full(count, 3, dtype=np.int8),
    )
    design = DesignMatrix(household, need, nothing[:, 0], nothing, nothing, nothing, asked, silent, ~silent)
    found = (draw.random(count) < np.array([0.1, 0.4])[need]).astype(np.float64)
    return VisitSample(design, found, np.ones(count), household, np.full(count, -2.0), needs=2)


def test_one_entry_makes_an_estimator_take_part(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = EstimatorKind(
        ("各项比例", "rate of each need"),
        lambda sample: example.fit_need_rate(sample.design, sample.found, sample.weight, sample.needs),
        example.NeedRate,
    )
    monkeypatch.setitem(ESTIMATORS, "need_rate", kind)
    sample = visits()
    fitted = fit_estimators(sample, ["need_rate"])["need_rate"]
    assert expit(fitted.log_odds(sample.design)).mean() == pytest.approx(sample.found.mean(), abs=0.01)
    table = measures(sample, {"need_rate": fitted.log_odds(sample.design)}, WEEKS)
    loss = table[table["metric"] == "log_loss"].set_index("estimator")["value"]
    assert loss["need_rate"] < loss["p_request"]
    again = ESTIMATORS["need_rate"].made(**{name: np.asarray(value) for name, value in vars(fitted).items()})
    np.testing.assert_array_equal(again.log_odds(sample.design), fitted.log_odds(sample.design))
