"""Exact match and token F1 of TriviaQA (arXiv:1705.03551), also used for Natural Questions, as in T5 and FLAN.

SQuAD's formulas after another normalisation (repository mandarjoshi90/triviaqa, triviaqa_evaluation.py): a
punctuation mark becomes a space instead of nothing, and the quotation marks that ASCII lacks are punctuation too.
"""

import functools
import string
from collections.abc import Sequence

from flan_evaluator.metrics.answer import Answer, Score, mean_over_examples
from flan_evaluator.metrics.squad import best_f1, equals_any, without_articles

_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation + "‘’´", " "))


def trivia_qa(answers: Sequence[Answer]) -> dict[str, Score]:
    """`exact_match` first, then `f1`."""
    return {
        "exact_match": mean_over_examples(answers, functools.partial(equals_any, normalise=normalised)),
        "f1": mean_over_examples(answers, functools.partial(best_f1, normalise=normalised)),
    }


def normalised(text: str) -> str:
    """Lower case, punctuation as spaces, without articles, words joined by one space.

    >>> normalised("The  U.S. Army's")
    'u s army s'
    """
    return without_articles(text.lower().translate(_PUNCTUATION))
