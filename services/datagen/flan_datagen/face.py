"""The faces of a dataset's rows: every text form that a run may ask a row in.

A run's policy (`TemplatePolicy`) chooses them: the templates of the row's part, as they are or without their
OPTIONS; or the one face without an instruction, with or without the dataset's name before it (Wei et al. 2021,
section 4.3, "no template" and "dataset name").
"""

import dataclasses
from collections.abc import Sequence

from flan_datagen.catalog import Entry, Part, Template
from flan_shared.spec import TemplatePolicy

NO_INSTRUCTION = -1
"""The template index of a face without an instruction."""


@dataclasses.dataclass(frozen=True)
class Face:
    """One text form.

    Attributes:
      index: of the template in the entry; `NO_INSTRUCTION` where there is none.
      template: what is rendered.
    """

    index: int
    template: Template


def drawable_faces(entry: Entry, part: Part, policy: TemplatePolicy) -> tuple[Face, ...]:
    """What a draw of a row of `part` chooses from; at least one, because the first template never turns around."""
    if policy.form == "bare":
        return (Face(NO_INSTRUCTION, part.bare),)
    if policy.form == "name":
        return (Face(NO_INSTRUCTION, part.bare.after(entry.heading)),)
    chosen = [
        index
        for index in part.templates[: policy.per_dataset]
        if policy.turned_around or not entry.templates[index].turned_around
    ]
    return faces(entry, chosen, policy)


def faces(entry: Entry, indices: Sequence[int], policy: TemplatePolicy) -> tuple[Face, ...]:
    """The templates with these indices, with their OPTIONS as the policy has them."""
    return tuple(
        Face(
            index,
            entry.templates[index].without_options() if policy.options == "none" else entry.templates[index],
        )
        for index in indices
    )
