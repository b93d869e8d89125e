"""LightGBM, imported without scikit-learn.

LightGBM would load scikit-learn on import for estimators that are not used here: half a second and 70 MB of every fresh
process. On ARM the two must be loaded the other way round (LightGBM's issue 6509): a command that needs both imports
scikit-learn first, and then it is not held back here.

LightGBM's threads wait for one another between any two steps of a tree. By default they spin for milliseconds before
they sleep, as though the processors were theirs alone: beside other work a tree then takes twenty times as long, most
of it spinning. They spin as briefly here as OpenMP itself chooses where threads outnumber processors.
"""

import os
import sys

# read when the library is loaded
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

if "sklearn" in sys.modules:
    import lightgbm as lgb
else:
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        import lightgbm as lgb
    finally:
        del sys.modules["sklearn"]

__all__ = ["lgb"]
