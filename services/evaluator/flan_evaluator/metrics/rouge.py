"""ROUGE-1, -2, -L and -Lsum (Lin, 2004) by the rouge-score package, without stemming as in T5.

With several references the best of each type counts. ROUGE-Lsum compares sentence by sentence and takes
newlines as their ends; we put one after every `.`, `!` or `?` that white space follows, where the reference
code knows only a full stop between two spaces and so sees most summaries as one sentence. The package reads
ASCII letters and digits alone: it is for English.
"""

import re
from collections.abc import Sequence

from rouge_score.rouge_scorer import RougeScorer

from flan_evaluator.metrics.answer import Answer, Score, mean, settled

TYPES = ("rouge1", "rouge2", "rougeL", "rougeLsum")

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def rouge(answers: Sequence[Answer]) -> dict[str, Score]:
    """Mean F-measure by type, ROUGE-1 first."""
    scorer = RougeScorer(TYPES, use_stemmer=False)
    values: dict[str, list[float | None]] = {kind: [] for kind in TYPES}
    for answer in settled(answers):
        best = answer and scorer.score_multi(
            [_lines(text) for text in answer.references], _lines(answer.prediction)
        )
        for kind in TYPES:
            values[kind].append(100 * float(best[kind].fmeasure) if best else None)
    return {kind: mean(values[kind]) for kind in TYPES}


def _lines(text: str) -> str:
    return _SENTENCE_END.sub("\n", text.strip())
