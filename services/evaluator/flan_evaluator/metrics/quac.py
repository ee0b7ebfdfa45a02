"""F1 and exact match of QuAC (arXiv:1808.07036, section 4), by the rules of its official scorer.

An answer's references come from several people and are repeated where people agree. If at least half of them say
CANNOTANSWER, that is the only reference; else it is none. F1 is SQuAD's; with k references it is the mean over the k
ways to leave one out, as for the people themselves, who have one reference less. Where the people's own F1 is below
0.4 the scorer judges nobody; such a question is unscored.

FLAN's code normalises QuAC as TriviaQA instead; scores are then not those of the leaderboard.
"""

from collections.abc import Callable, Sequence

import numpy as np

from flan_evaluator.metrics.answer import Answer, Score, mean, settled
from flan_evaluator.metrics.leave_one_out import left_one_out
from flan_evaluator.metrics.squad import best_f1, equals_any

CANNOT_ANSWER = "CANNOTANSWER"
_LEAST_AGREEMENT = 0.4


def quac(answers: Sequence[Answer]) -> dict[str, Score]:
    """`f1` first, then `exact_match`: whether any reference is met."""
    ready = settled(answers)
    return {
        "f1": mean([_judged(answer, _f1) for answer in ready]),
        "exact_match": mean([_judged(answer, _exact_match) for answer in ready]),
    }


def _judged(answer: Answer | None, score: Callable[[str, list[str]], float]) -> float | None:
    if answer is None:
        return None
    references = _voted(answer.references)
    if _agreement(references) < _LEAST_AGREEMENT:
        return None
    if references == [CANNOT_ANSWER]:
        return 100 * float(answer.prediction.strip() == CANNOT_ANSWER)
    return 100 * score(answer.prediction, references)


def _f1(prediction: str, references: list[str]) -> float:
    return left_one_out(references, lambda rest: best_f1(prediction, rest))


def _exact_match(prediction: str, references: list[str]) -> float:
    return equals_any(prediction, references)


def _voted(references: Sequence[str]) -> list[str]:
    spans = [reference for reference in references if reference.strip() != CANNOT_ANSWER]
    return spans if 2 * len(spans) > len(references) else [CANNOT_ANSWER]


def _agreement(references: Sequence[str]) -> float:
    """F1 of the people with each other, 0 to 1."""
    if len(references) == 1:
        return 1.0
    each = [best_f1(r, [*references[:i], *references[i + 1 :]]) for i, r in enumerate(references)]
    return float(np.mean(each))
