"""ROUGE-1, ROUGE-2 and ROUGE-Lsum (Lin, 2004) by the rouge-score package, without stemming as in T5.

With several references the best of each type counts. ROUGE-Lsum compares sentence by sentence and takes
newlines as their ends; we put one after every `.`, `!` or `?` that white space follows, where the reference
code knows only a full stop between two spaces and so sees most summaries as one sentence.
"""

import re
from collections.abc import Sequence

from rouge_score.rouge_scorer import RougeScorer

from flan_evaluator.metrics.answer import Answer, Score, nothing, usable

TYPES = ("rouge1", "rouge2", "rougeLsum")

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def rouge(answers: Sequence[Answer]) -> dict[str, Score]:
    """Mean F-measure by type."""
    scored = usable(answers)
    if not scored:
        return {kind: nothing(answers) for kind in TYPES}
    scorer = RougeScorer(TYPES, use_stemmer=False)
    sums = dict.fromkeys(TYPES, 0.0)
    for answer in scored:
        best = scorer.score_multi([_lines(text) for text in answer.references], _lines(answer.prediction))
        for kind in TYPES:
            sums[kind] += best[kind].fmeasure
    return {
        kind: Score(100 * total / len(scored), len(scored), len(answers) - len(scored))
        for kind, total in sums.items()
    }


def _lines(text: str) -> str:
    return _SENTENCE_END.sub("\n", text.strip())
