"""Matthews' correlation of two or more classes (Gorodkin, 2004), times 100: CoLA's metric in GLUE.

The formula of scikit-learn's `matthews_corrcoef`, which the tests compare with; four lines of it are no reason for
the evaluator to depend on that package.
"""

import math
from collections import Counter
from collections.abc import Sequence

from flan_evaluator.metrics.answer import Answer, Score, nothing, usable


def matthews(answers: Sequence[Answer]) -> Score:
    """The correlation of prediction and first reference; 0 where either is constant, as in GLUE.

    A uniform guess tends to 0, which is the chance level.
    """
    scored = usable(answers)
    if not scored:
        return nothing(answers)
    n = len(scored)
    truth = Counter(answer.references[0] for answer in scored)
    predicted = Counter(answer.prediction for answer in scored)
    num_right = sum(answer.prediction == answer.references[0] for answer in scored)
    covariance = n * num_right - sum(count * predicted[name] for name, count in truth.items())
    norm = math.sqrt(math.prod(n * n - sum(c * c for c in counts.values()) for counts in (truth, predicted)))
    chance = 0.0 if all(answer.options for answer in scored) else None
    return Score(100 * covariance / norm if norm else 0.0, n, len(answers) - n, chance)
