"""MultiRC's F1 over all answers and exact match by question (Khashabi et al., NAACL 2018, section 5; SuperGLUE).

An example is one candidate answer of a question; `Answer.group` says of which.
"""

from collections.abc import Sequence

import numpy as np

from flan_evaluator.metrics.answer import Answer, Score, settled
from flan_evaluator.metrics.class_f1 import class_f1


def multirc(answers: Sequence[Answer]) -> dict[str, Score]:
    """`f1` (F1a) first, then `exact_match`: the share of questions of which every candidate is judged rightly.

    Exact match counts questions, in `n` and `num_unscored`. A question with an unscored candidate is unscored;
    a candidate without a group is a question of its own that is unscored.
    """
    return {"f1": class_f1(answers), "exact_match": _by_question(answers)}


def _by_question(answers: Sequence[Answer]) -> Score:
    questions: dict[str, list[Answer | None]] = {}
    num_alone = 0
    for answer, ready in zip(answers, settled(answers), strict=True):
        if answer.group is None:
            num_alone += 1
        else:
            questions.setdefault(answer.group, []).append(ready)
    whole = [candidates for candidates in questions.values() if None not in candidates]
    num_unscored = len(questions) - len(whole) + num_alone
    if not whole:
        return Score(0.0, 0, num_unscored)
    right = [all(each.prediction in each.references for each in candidates) for candidates in whole]
    chance = None
    if all(each.options for candidates in whole for each in candidates):
        chance = 100 * float(
            np.mean([np.prod([_share_right(e) for e in candidates]) for candidates in whole])
        )
    return Score(100 * float(np.mean(right)), len(whole), num_unscored, chance)


def _share_right(answer: Answer) -> float:
    return sum(option in answer.references for option in answer.options) / len(answer.options)
