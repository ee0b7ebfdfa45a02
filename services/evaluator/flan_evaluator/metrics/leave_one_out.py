"""A score with every reference left out once, as it is for the people who gave the references (CoQA, QuAC)."""

from collections.abc import Callable, Sequence

import numpy as np


def left_one_out(references: Sequence[str], score: Callable[[Sequence[str]], float]) -> float:
    """The mean of `score(the others)` over the references; `score(references)` where there is one."""
    if len(references) == 1:
        return score(references)
    return float(np.mean([score([*references[:i], *references[i + 1 :]]) for i in range(len(references))]))
