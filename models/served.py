"""Registered model as MLflow's pyfunc serves it: features in, probabilities out.

Registered models name this module, so it keeps its name; it does not import MLflow.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from features.blocks.build import Features
from features.point_in_time.records import Rows
from models.scoring.model import NeedModel


class ServedModel:
    """Model that ``mlflow.pyfunc.load_model`` returns inside its own wrapper."""

    def __init__(self, model: NeedModel) -> None:
        self.model = model

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Compute ``p_request`` for each row of a frame with the need's id in ``need`` and a column for each other
        feature.

        Raises ValueError for a need that the model does not know.
        """
        needs = pd.Index(self.model.schema.needs).get_indexer(pd.Index(model_input["need"]))
        if (needs < 0).any():
            raise ValueError(f"unknown need: {model_input['need'][needs < 0].iloc[0]}")
        frame = model_input.assign(need=needs)  # the feature of this name is the need's position
        rows = Rows(np.arange(len(frame), dtype=np.int32), needs.astype(np.int16))
        names = self.model.feature_names
        probability = self.model.predict(Features(frame[names].to_numpy(np.float32), names, rows, 0))
        return pd.DataFrame({"p_request": probability}, index=model_input.index)


def _load_pyfunc(path: str) -> ServedModel:
    """Load the model from a directory that ``NeedModel.save`` filled; MLflow calls this."""
    return ServedModel(NeedModel.load(Path(path)))
