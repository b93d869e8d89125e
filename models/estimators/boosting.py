"""LightGBM without scikit-learn, which it would load on import for estimators that are not used here: half a second
and 70 MB of every fresh process.

On ARM the two want to be loaded the other way round (LightGBM's issue 6509): a command that needs both imports
scikit-learn first, and then nothing is held back here.
"""

import sys

if "sklearn" in sys.modules:
    import lightgbm as lgb
else:
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        import lightgbm as lgb
    finally:
        del sys.modules["sklearn"]

__all__ = ["lgb"]
