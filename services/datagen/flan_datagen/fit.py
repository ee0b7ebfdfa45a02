"""Making an example fit the lengths without losing the task.

A prompt that is too long loses exemplars first, then the end of its longest source field, word by word; the
instruction, the question and the OPTIONS survive. Cutting the tokens of the whole prompt, as the paper's code
does, would take the OPTIONS away first, because they stand last. Targets are cut at the end.
"""

import dataclasses
from collections.abc import Callable

from flan_datagen.catalog import Template
from flan_datagen.catalog.template import ANSWER, OPTIONS
from flan_datagen.render import EXEMPLAR_SEPARATOR
from flan_shared.tokenizer import EOS_ID, Tokenizer

_ROUNDS = 8
"""Each round halves the field at worst, so a field of any length in use is gone after these."""


@dataclasses.dataclass(frozen=True)
class Prompt:
    """A row under a template that may have to be shortened.

    Attributes:
      template: the template.
      values: what its fields hold, `options` and `answer` among them.
      exemplars: rendered exemplars, in order.
    """

    template: Template
    values: dict[str, str]
    exemplars: tuple[str, ...] = ()

    def inputs(self, values: dict[str, str] | None = None, num_shots: int | None = None) -> str:
        """The text the model reads, with other field values or fewer exemplars where given."""
        query = self.template.render(values or self.values)[0]
        return EXEMPLAR_SEPARATOR.join((*self.exemplars[:num_shots], query))


def fit_inputs(p: Prompt, tokenizer: Tokenizer, length: int) -> list[int]:
    """Token ids of a prompt of at most `length` - 1 tokens (EOS is still to come): exemplars go first."""
    budget = length - 1
    for num_shots in range(len(p.exemplars), 0, -1):
        ids = tokenizer.encode([p.inputs(num_shots=num_shots)])[0]
        if len(ids) <= budget:
            return ids
    fields = {name: p.values[name] for name in p.template.input_fields if name not in (ANSWER, OPTIONS)}
    return shorten(
        lambda values: p.inputs({**p.values, **values}, num_shots=0), fields, tokenizer, budget=budget
    )


def shorten(
    render: Callable[[dict[str, str]], str], values: dict[str, str], tokenizer: Tokenizer, *, budget: int
) -> list[int]:
    """Token ids of a prompt of at most `budget` tokens, without EOS.

    Args:
      render: makes the prompt from field values; pure.
      values: the fields that may be shortened.
      tokenizer: counts.
      budget: tokens.

    Returns:
      The ids of the first prompt that fits after cutting the longest field at a word boundary; where even
      empty fields do not fit, the first `budget` ids.
    """
    values = dict(values)
    ids = tokenizer.encode([render(values)])[0]
    for turn in range(_ROUNDS):
        over = len(ids) - budget
        if over <= 0:
            return ids
        field = max(values, key=lambda name: len(values[name]), default=None)
        if field is None or not values[field]:
            break
        num_tokens = len(tokenizer.encode([values[field]])[0])
        # One token more every round: where the text is cut its pieces change, and a guess may miss by a few.
        share = max(0.0, (num_tokens - over - 2**turn) / max(num_tokens, 1))
        values[field] = cut_at_word(values[field], int(len(values[field]) * share))
        ids = tokenizer.encode([render(values)])[0]
    return ids[:budget]


def cut_at_word(text: str, length: int) -> str:
    """The longest beginning of `text` of at most `length` characters that ends with a whole word.

    >>> cut_at_word("the red lamp", 9)
    'the red'
    """
    if len(text) <= length:
        return text
    head = text[:length]
    if not text[length].isspace():
        head = head[: max((i for i, char in enumerate(head) if char.isspace()), default=0)]
    return head.rstrip()


def with_eos(ids: list[int], length: int) -> list[int]:
    """`ids` cut to `length` with EOS; EOS comes after the cut, so it always survives."""
    return [*ids[: length - 1], EOS_ID]
