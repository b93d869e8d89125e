"""The registered model as MLflow's pyfunc serves it: features in, probabilities out.

Registered models name this module, so it keeps its name; it does not import MLflow.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from features.blocks.build import Features
from features.point_in_time.records import Rows
from models.scoring.model import NeedModel


class ServedModel:
    """What ``mlflow.pyfunc.load_model`` returns behind its own wrapper."""

    def __init__(self, model: NeedModel) -> None:
        self.model = model

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """``p_request`` per row of a frame with the need's id in ``need`` and one column a feature."""
        needs = pd.Index(self.model.schema.needs).get_indexer(pd.Index(model_input["need"]))
        if (needs < 0).any():
            raise ValueError(f"unknown need: {model_input['need'][needs < 0].iloc[0]}")
        frame = model_input.assign(need=needs)  # the feature of this name is the need's position
        rows = Rows(np.arange(len(frame), dtype=np.int32), needs.astype(np.int16))
        names = self.model.feature_names
        probability = self.model.predict(Features(frame[names].to_numpy(np.float32), names, rows, 0))
        return pd.DataFrame({"p_request": probability}, index=model_input.index)


def _load_pyfunc(path: str) -> ServedModel:
    """MLflow calls this with the directory that ``NeedModel.save`` filled."""
    return ServedModel(NeedModel.load(Path(path)))
