"""One dataset at one checkpoint: from examples to scores.

Datasets with options are ranked, all others are generated.
"""

from collections.abc import Callable, Sequence

import numpy as np

from flan.v1 import example_pb2
from flan_evaluator.generate import generate
from flan_evaluator.metrics import Answer, NamedScore, measure
from flan_evaluator.score import score_options
from flan_evaluator.subject import Subject
from flan_shared.tokenizer import EOS_ID

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
    lengths = subject.spec.lengths
    inputs = _tokens(subject, [examples[i].inputs for i in choosable], lengths.inputs)
    options = [_tokens(subject, list(examples[i].options), lengths.targets) for i in choosable]
    for place, scores in score_options(subject.module, subject.parameters, inputs, options):
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
    inputs = _tokens(subject, [example.inputs for example in examples], subject.spec.lengths.inputs)
    outputs = generate(
        subject.module,
        subject.parameters,
        inputs,
        max_decode_length=subject.spec.evaluation.max_decode_length,
    )
    for num_done, (i, tokens) in enumerate(outputs, start=1):
        if tokens is not None:
            predictions[i] = subject.tokenizer.decode(tokens).strip()
        on_done(num_done)
    return predictions


def _tokens(subject: Subject, texts: list[str], length: int) -> list[list[int]]:
    # Datagen has made the inputs fit; the cut is for what it could not shorten. EOS comes after it.
    return [[*ids[: length - 1], EOS_ID] for ids in subject.tokenizer.encode(texts)]
