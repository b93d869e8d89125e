"""p_need: the probability that a visit finds the need, whether or not the household has asked; stored as plain files."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from features.blocks.build import Features
from features.point_in_time.records import Known, Rows
from models.estimators.saved import read_arrays, read_trees
from models.estimators.threads import in_threads
from models.underreporting.calibration import NeedCalibration
from models.underreporting.design import DesignReader
from models.underreporting.estimators import ESTIMATORS, TREES, Estimator
from models.underreporting.visit_model import VisitLogistic, VisitTrees

LEAST, MOST = 1e-6, 1 - 1e-6
BLOCK = 8192  # rows read at a time: they become many columns, in float64
FILE, ARRAYS = "visits.json", "visits.npz"
TREE_FILES = "visits_trees_{}.txt"


@dataclass(frozen=True)
class NeedFromVisits:
    """Model of p_need, learned from p_request and the outcomes of random visits."""

    reader: DesignReader
    name: str  # of the estimator, see ``models.underreporting.estimators``
    estimator: Estimator
    calibration: NeedCalibration
    metadata: dict[str, Any] = field(default_factory=dict)

    def predict(self, features: Features, known: Known, log_odds: np.ndarray) -> np.ndarray:
        """Compute p_need: float64 [rows].

        features: of the pairs. known: what is known at the as-of day.
        log_odds: float64 [rows], of a request, by the request model, without a day's shift.
        """
        microgrid = microgrid_ids(known, known.microgrid[features.rows.household])
        blocks = [slice(begin, begin + BLOCK) for begin in range(0, len(features.rows), BLOCK)]
        parts = in_threads(lambda block: self._of_block(features, microgrid, log_odds, block), blocks)
        return np.clip(expit(np.concatenate([np.empty(0), *parts])), LEAST, MOST)

    def _of_block(
        self, features: Features, microgrid: np.ndarray, log_odds: np.ndarray, block: slice
    ) -> np.ndarray:
        rows = Rows(features.rows.household[block], features.rows.need[block])
        part = Features(features.matrix[block], features.names, rows, features.as_of)
        design = self.reader.read(part, microgrid[block], log_odds[block])
        return self.calibration.log_odds(self.estimator.log_odds(design), design)

    def save(self, directory: Path) -> None:
        """Write JSON, npz and LightGBM's text into a directory that exists."""
        arrays = {f"reader_{name}": value for name, value in self.reader.to_arrays().items()}
        trees = self.estimator.trees if isinstance(self.estimator, VisitTrees) else ()
        plain = self.estimator.start if isinstance(self.estimator, VisitTrees) else self.estimator
        arrays |= {f"estimator_{key}": np.asarray(value) for key, value in vars(plain).items()}
        for index, tree in enumerate(trees):
            path = directory / TREE_FILES.format(index)
            path.write_text(tree.model_to_string(), encoding="utf-8")
        np.savez(directory / ARRAYS, **arrays)
        content = {
            "estimator": self.name,
            "calibration": asdict(self.calibration),
            "metadata": self.metadata,
        }
        (directory / FILE).write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")

    @staticmethod
    def load(directory: Path) -> "NeedFromVisits | None":
        """Read what ``save`` wrote; return None if there is no such file."""
        if not (directory / FILE).exists():
            return None
        content = json.loads((directory / FILE).read_text(encoding="utf-8"))
        arrays = read_arrays(directory / ARRAYS)
        calibration = content["calibration"]
        calibration = {
            key: tuple(value) if isinstance(value, list) else value for key, value in calibration.items()
        }
        return NeedFromVisits(
            DesignReader.from_arrays(_part(arrays, "reader_")),
            content["estimator"],
            _estimator(content["estimator"], _part(arrays, "estimator_"), directory),
            NeedCalibration(**calibration),
            content["metadata"],
        )


def _part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}


def _estimator(name: str, arrays: dict[str, np.ndarray], directory: Path) -> Estimator:
    if name == TREES:
        paths = sorted(directory.glob(TREE_FILES.format("*")))
        return VisitTrees(VisitLogistic(**arrays), tuple(map(read_trees, paths)))
    return ESTIMATORS[name].made(**arrays)


def microgrid_ids(known: Known, microgrid: np.ndarray) -> np.ndarray:
    """Return the ids of micro-grids by their positions in the records: str [n]; '' for -1."""
    ids = np.append(known.microgrid_ids.astype(str), "")
    return ids[microgrid]
