"""F1 over classes: of the second class where there are two, else the mean over classes.

With two classes the second is the positive one (label 1 of MRPC, QQP and MultiRC, as in GLUE, SuperGLUE and
scikit-learn's default); MultiRC's F1a is this over all answers. With more (CB) every class counts alike, and
a class that is neither asked for nor answered is left out of the mean. An answer that is no class (generated)
misses its own class and is no false alarm for another; T5 takes it for the wrong class of the two.
"""

from collections.abc import Sequence

import numpy as np

from flan_evaluator.metrics.answer import Answer, Score, nothing, usable


def class_f1(answers: Sequence[Answer]) -> Score:
    """F1 from counts over the whole dataset, not a mean over examples.

    The chance level is what F1 tends to under a uniform guess with these class shares: precision is the share
    of the class, recall one over the number of classes.
    """
    scored = [answer for answer in usable(answers) if answer.options]
    if not scored:
        return nothing(answers)
    classes = scored[0].options
    judged = classes[1:] if len(classes) == 2 else classes
    truth = np.array([answer.references[0] for answer in scored])
    prediction = np.array([answer.prediction for answer in scored])
    values, chances = [], []
    for name in judged:
        expected, predicted = truth == name, prediction == name
        if expected.any() or predicted.any() or len(judged) == 1:
            both = int((expected & predicted).sum())
            values.append(_ratio(2 * both, int(expected.sum() + predicted.sum())))
            share, recall = expected.mean(), 1 / len(classes)
            chances.append(_ratio(2 * share * recall, share + recall))
    return Score(
        value=100 * float(np.mean(values)),
        n=len(scored),
        num_unscored=len(answers) - len(scored),
        chance=100 * float(np.mean(chances)),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
