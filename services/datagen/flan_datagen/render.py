"""Rows to text: one row of a pool under one template, with exemplars in front where the run asks for them."""

import dataclasses
from collections.abc import Sequence

from flan_datagen.catalog import Entry, Template, options_block

EXEMPLAR_SEPARATOR = "\n\n"
"""Between exemplars; a newline stands between an exemplar's inputs and its targets."""


@dataclasses.dataclass(frozen=True)
class Prompt:
    """A row under a template, ready to be fitted to a length.

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

    @property
    def targets(self) -> str:
        """The text the model shall write."""
        return self.template.render(self.values)[1]


def drawable_templates(entry: Entry, *, per_dataset: int, turned_around: bool) -> list[int]:
    """Indices of the templates that may be drawn; at least one, because the first is never turned around."""
    templates = entry.templates[:per_dataset]
    return [index for index, template in enumerate(templates) if turned_around or not template.turned_around]


def field_values(entry: Entry, row: dict) -> dict[str, str]:
    """What a template may use of a canonical row; an optional field without a value is empty text."""
    values = {name: row[name] or "" for name in entry.fields}
    values["answer"] = row["answer"] or ""
    values["options"] = options_block(row["options"] or [])
    return values


def prompt(entry: Entry, row: dict, template: Template, exemplars: Sequence[dict] = ()) -> Prompt:
    """`row` under `template`, after `exemplars` under the same template."""
    shots = tuple("\n".join(template.render(field_values(entry, exemplar))) for exemplar in exemplars)
    return Prompt(template, field_values(entry, row), shots)
