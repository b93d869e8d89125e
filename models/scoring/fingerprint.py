"""Fingerprint of everything known, by which a model names the data it was trained on."""

import hashlib

import numpy as np
import pandas as pd

from features.contract.attribute_values import Texts
from features.point_in_time.records import Known
from models.dataset.out_of_time import stable_hash


def fingerprint(known: Known) -> str:
    """Compute SHA-256 of the settings and of everything known; data that come later do not change it."""
    digest = hashlib.sha256(known.community.model_dump_json().encode())
    ids = {"household": known.household_ids, "grid": known.grid_ids}
    ids["microgrid"] = known.microgrid_ids
    for name in ("households", "residents", "requests", "outreach", "opt_outs"):
        for column, values in vars(getattr(known, name)).items():
            digest.update(f"{name}.{column}".encode())
            if column in ("visible_to", "left"):
                continue  # when a row was superseded, or a resident left, is told by later rows
            if column in ids:
                values = stable_hash(ids[column])[values]  # positions change as others arrive
            elif column == "resident":
                values = np.unique(values, return_inverse=True)[1]
            if isinstance(values, dict):  # what no row says yet is an attribute of later rows
                values = {name: texts for name, texts in values.items() if (texts.codes >= 0).any()}
            for item in values.items() if isinstance(values, dict) else [("", values)]:
                digest.update(item[0].encode() + _plain(item[1]).tobytes())
    return digest.hexdigest()


def _plain(values: np.ndarray | Texts) -> np.ndarray:
    """Hash each text to a number that depends on the text only; leave other values as they are."""
    if isinstance(values, Texts):
        return np.append(stable_hash(values.distinct), np.uint64(0))[values.codes]
    if values.dtype.kind in "OT":
        return pd.util.hash_array(values.astype(object))
    return np.ascontiguousarray(values)
