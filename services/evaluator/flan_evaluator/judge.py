"""One dataset at one checkpoint: from examples to scores.

Datasets with options are ranked, all others are generated.
"""

from collections.abc import Callable, Sequence

import numpy as np

from flan.v1 import example_pb2
from flan_evaluator.metrics import Answer, NamedScore, measure
from flan_evaluator.subject import Subject

_RANKED = {example_pb2.ANSWER_KIND_CLASSIFICATION, example_pb2.ANSWER_KIND_MULTIPLE_CHOICE}


def judge(
    subject: Subject, examples: Sequence[example_pb2.Example], on_done: Callable[[int], None]
) -> list[NamedScore]:
    """Answers every example and measures the answers.

    Args:
      subject: the model.
      examples: all of one dataset, at least one.
      on_done: called with the number of examples answered, after every example; what it raises ends the work.

    Raises:
      EvaluationError: the dataset names a metric that is not known.
    """
    kind = examples[0].answer_kind
    predictions = (_ranked if kind in _RANKED else _written)(subject, examples, on_done)
    answers = [
        Answer(prediction, tuple(example.references or [example.targets]), tuple(example.options))
        for prediction, example in zip(predictions, examples, strict=True)
    ]
    return measure(examples[0].metrics, kind, answers)


def _ranked(
    subject: Subject, examples: Sequence[example_pb2.Example], on_done: Callable[[int], None]
) -> list[str | None]:
    predictions: list[str | None] = [None] * len(examples)
    # A choice from fewer than two options says nothing about the model.
    choosable = [i for i, example in enumerate(examples) if len(example.options) > 1]
    num_done = len(examples) - len(choosable)
    inputs = [examples[i].inputs for i in choosable]
    options = [examples[i].options for i in choosable]
    for place, scores in subject.score(inputs, options):
        example = examples[choosable[place]]
        if np.isfinite(scores).all():
            predictions[choosable[place]] = example.options[int(scores.argmax())]
        num_done += 1
        on_done(num_done)
    return predictions


def _written(
    subject: Subject, examples: Sequence[example_pb2.Example], on_done: Callable[[int], None]
) -> list[str | None]:
    predictions: list[str | None] = [None] * len(examples)
    outputs = subject.generate([example.inputs for example in examples])
    for num_done, (i, text) in enumerate(outputs, start=1):
        if text is not None:
            predictions[i] = text.strip()
        on_done(num_done)
    return predictions
