"""Templates and the small language that they are written in.

    inputs:  '{premise}\\n\\nDoes it follow that "{hypothesis}"?\\n{options}'
    targets: '{answer}'

`{name}` stands for a field of the dataset, for `{answer}` or for `{options}`; `{{` and `}}` are braces. There are
no conditions, formats or attributes: what a field should look like is decided once, in the adapter. Values are
put in as they are, so that braces inside them mean nothing.
"""

import dataclasses
import string
from collections.abc import Mapping, Sequence
from functools import cached_property

from flan_datagen.catalog.errors import CatalogError

ANSWER, OPTIONS = "answer", "options"

Parts = tuple[tuple[str, str | None], ...]
"""A parsed text: literal, then the name of the field that follows it; None where no field follows."""


@dataclasses.dataclass(frozen=True)
class Template:
    """One way to ask.

    Attributes:
      inputs: text the model reads.
      targets: text it shall write.
      turned_around: whether it asks for something else than the dataset's answer.
      input_parts: `inputs`, parsed.
      target_parts: `targets`, parsed.
    """

    inputs: str
    targets: str
    turned_around: bool
    input_parts: Parts
    target_parts: Parts

    @classmethod
    def parse(cls, inputs: str, targets: str, *, turned_around: bool = False) -> "Template":
        """Reads both texts; which fields exist is for `check` to say.

        Raises:
          CatalogError: an empty text, or braces that do not pair.
        """
        return cls(inputs, targets, turned_around, _parse("inputs", inputs), _parse("targets", targets))

    @cached_property
    def input_fields(self) -> tuple[str, ...]:
        """Names that `inputs` uses, in order of appearance."""
        return tuple(name for _, name in self.input_parts if name is not None)

    @cached_property
    def target_fields(self) -> tuple[str, ...]:
        """Names that `targets` uses, in order of appearance."""
        return tuple(name for _, name in self.target_parts if name is not None)

    def render(self, values: Mapping[str, str]) -> tuple[str, str]:
        """Inputs and targets of one row.

        >>> Template.parse("{word}?\\n{options}", "{answer}").render(
        ...     {"word": "big", "answer": "no", "options": options_block(["yes", "no"])}
        ... )
        ('big?\\nOPTIONS:\\n- yes\\n- no', 'no')

        Args:
          values: a text for every field the template uses; `options` is an `options_block`.

        Raises:
          KeyError: a field without a value.
        """
        return _fill(self.input_parts, values), _fill(self.target_parts, values)

    def without_options(self) -> "Template":
        """The same without the OPTIONS block and the line breaks before it."""
        if OPTIONS not in self.input_fields:
            return self
        *others, (literal, _) = self.input_parts
        parts = (*others, (literal.rstrip("\n"), None))
        inputs = self.inputs.removesuffix("{options}").rstrip("\n")
        return dataclasses.replace(self, inputs=inputs, input_parts=parts)

    def after(self, heading: str) -> "Template":
        """The same with a heading before the inputs, which is put in as it is."""
        inputs = heading.replace("{", "{{").replace("}", "}}") + " " + self.inputs
        return Template.parse(inputs, self.targets, turned_around=self.turned_around)

    def check(self, fields: Sequence[str], *, has_options: bool, either_way: bool = False) -> None:
        """Holds the template against the entry it belongs to.

        Args:
          fields: names it may use beside `answer` and `options`.
          has_options: whether rows of the dataset come with options.
          either_way: whether an ordinary template may ask for a field (translation, in both directions).

        Raises:
          CatalogError: one sentence, without the place.
        """
        for side, used in (("inputs", self.input_fields), ("targets", self.target_fields)):
            for name in used:
                if name not in (*fields, ANSWER, OPTIONS):
                    known = ", ".join((*fields, ANSWER, OPTIONS))
                    raise CatalogError(f"{side} uses the unknown field {{{name}}}; known: {known}")
        if OPTIONS in self.target_fields:
            raise CatalogError("targets uses {options}; options belong at the end of inputs")
        self._check_targets(either_way)
        self._check_options(has_options)

    def _check_targets(self, either_way: bool) -> None:
        shown = [name for name in self.target_fields if name in self.input_fields]
        if shown:
            raise CatalogError(
                f"inputs shows {{{shown[0]}}}, which targets asks for; take it out of one of them"
            )
        asks_for_answer = ANSWER in self.target_fields
        if self.turned_around and asks_for_answer:
            raise CatalogError("targets uses {answer}, but turned_around is set; remove one of them")
        if self.turned_around:
            return
        if asks_for_answer and self.targets != "{answer}":
            raise CatalogError(f"targets is {self.targets!r}; an ordinary template has just '{{answer}}'")
        if not asks_for_answer and not either_way:
            raise CatalogError("targets does not use {answer}; use it, or set turned_around")
        if not asks_for_answer and len(self.target_parts) > 1:
            raise CatalogError(f"targets is {self.targets!r}; an ordinary template has just one field")

    def _check_options(self, has_options: bool) -> None:
        count = self.input_fields.count(OPTIONS)
        if not count:
            if has_options and not self.turned_around:
                raise CatalogError("inputs does not show {options}; end it with them, or set turned_around")
            return
        if self.turned_around:
            raise CatalogError("inputs shows {options}, but turned_around is set; remove one of them")
        if not has_options:
            raise CatalogError("inputs shows {options}, but the dataset has none; take them out")
        if count > 1 or self.input_parts[-1][1] != OPTIONS:
            raise CatalogError("{options} is not the last thing in inputs; move it to the end")
        if not self.inputs.removesuffix("{options}").endswith("\n"):
            raise CatalogError("{options} does not begin a line; put a line break before it")


def options_block(options: Sequence[str]) -> str:
    """The OPTIONS suffix (arXiv:2109.01652, section 2.3), in the order given.

    >>> options_block(["yes", "no"])
    'OPTIONS:\\n- yes\\n- no'
    """
    return "\n- ".join(("OPTIONS:", *options))


def _parse(side: str, text: str) -> Parts:
    if not text.strip():
        raise CatalogError(f"{side} is empty")
    parts: list[tuple[str, str | None]] = []
    literal = ""
    try:
        for before, name, form, conversion in string.Formatter().parse(text):
            literal += before
            if name is None:  # a brace that was written double, or the end
                continue
            if form or conversion:
                raise CatalogError(f"{side} has a format on {{{name}}}; only plain {{field}} is known")
            parts.append((literal, name))
            literal = ""
    except ValueError as err:
        raise CatalogError(f"{side} has braces that do not pair ({err}); write {{{{ for a brace") from err
    return (*parts, (literal, None)) if literal else tuple(parts)


def _fill(parts: Parts, values: Mapping[str, str]) -> str:
    return "".join(literal if name is None else literal + values[name] for literal, name in parts)
