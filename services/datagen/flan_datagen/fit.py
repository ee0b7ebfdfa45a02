"""Making an example fit the lengths without losing the task.

A prompt that is too long loses exemplars first, then the end of its longest source field, word by word; the
instruction, the question and the OPTIONS survive. Cutting the tokens of the whole prompt, as the paper's code
does, would take the OPTIONS away first, because they stand last. Targets are cut at the end.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from flan_datagen.catalog import Template
from flan_datagen.catalog.template import ANSWER, OPTIONS
from flan_datagen.encode import Encoder
from flan_datagen.render import EXEMPLAR_SEPARATOR

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


def fit_inputs(prompts: Sequence[Prompt], encoder: Encoder, length: int) -> list[np.ndarray]:
    """Token ids of prompts of at most `length` - 1 tokens each (EOS is still to come), all of them in few calls.

    Exemplars go first, from the last one on; then words of the longest field.

    Args:
      prompts: those that are too long.
      encoder: counts.
      length: tokens, EOS included.

    Returns:
      ids of each, uint16 or uint32[at most length - 1]; where even empty fields do not fit, the first ones.
    """
    budget = length - 1
    done: list[np.ndarray] = [np.zeros(0, np.uint16)] * len(prompts)
    states = [_State(p, dict(p.values), len(p.exemplars)) for p in prompts]
    todo = list(range(len(prompts)))
    while todo:
        encoded = encoder.encode([states[i].text() for i in todo])
        lengths = np.diff(encoded.offsets).tolist()
        for place, i in enumerate(todo):
            done[i] = encoded.ids[encoded.offsets[place] :][: min(lengths[place], budget)]
        over = {i: num - budget for i, num in zip(todo, lengths, strict=True) if num > budget}
        todo = [i for i in over if states[i].can_shrink()]
        _shrink([states[i] for i in todo], [over[i] for i in todo], encoder)
    return done


@dataclasses.dataclass
class _State:
    """How far a prompt has been shortened; it hangs on the prompt alone, not on those it is fitted with."""

    prompt: Prompt
    values: dict[str, str]
    num_shots: int
    turn: int = 0

    def text(self) -> str:
        return self.prompt.inputs(self.values, self.num_shots)

    def longest(self) -> str | None:
        """The longest field that may be shortened; None where all are empty."""
        fields = [name for name in self.prompt.template.input_fields if name not in (ANSWER, OPTIONS)]
        return max(
            (name for name in fields if self.values[name]),
            key=lambda name: len(self.values[name]),
            default=None,
        )

    def can_shrink(self) -> bool:
        return bool(self.num_shots) or (self.turn < _ROUNDS and self.longest() is not None)

    def cut(self, num_tokens: int, over: int) -> None:
        """Cuts the longest field, of `num_tokens` tokens, by about `over`."""
        field = str(self.longest())
        text = self.values[field]
        # One token more every round: where the text is cut its pieces change, and a guess may miss by a few.
        share = max(0.0, (num_tokens - over - 2**self.turn) / max(num_tokens, 1))
        self.values[field] = cut_at_word(text, int(len(text) * share))
        self.turn += 1


def _shrink(states: Sequence[_State], over: Sequence[int], encoder: Encoder) -> None:
    cut = []
    for state, much in zip(states, over, strict=True):
        if state.num_shots:
            state.num_shots -= 1
        else:
            cut.append((state, much))
    if cut:
        encoded = encoder.encode([state.values[str(state.longest())] for state, _ in cut])
        for (state, much), num_tokens in zip(cut, np.diff(encoded.offsets).tolist(), strict=True):
            state.cut(num_tokens, much)


def cut_at_word(text: str, length: int) -> str:
    """The longest beginning of `text` of at most `length` characters that ends with a whole word.

    >>> cut_at_word("the red lamp", 9)
    'the red'
    """
    if len(text) <= length:
        return text
    head = text[:length]
    if head and not text[length].isspace() and not head[-1].isspace():
        before, *word = head.rsplit(maxsplit=1)
        head = before if word else ""
    return head.rstrip()
