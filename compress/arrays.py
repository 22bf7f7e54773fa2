"""What arrays are called: the numpy types that signatures name."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Index = npt.NDArray[np.int64]
"""Places in another array, or ids."""
Logits = npt.NDArray[np.float32]
"""(N, C), or (N, 1) of scores."""
Labels = npt.NDArray[np.int64] | npt.NDArray[np.float32]
"""(N,) classes or scores, or (N, C) of several labels."""
