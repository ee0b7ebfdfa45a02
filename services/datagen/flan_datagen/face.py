"""The faces of a dataset's rows: every text form that a run may ask a row in, and which of them a draw takes.

A run's policy (`TemplatePolicy`) chooses them: the templates of the row's part, as they are or without their
OPTIONS; or the one face without an instruction, with or without the dataset's name before it (Wei et al. 2021,
section 4.3, "no template" and "dataset name"). A template that uses a field which is empty in a row (an article
without a title) is not for that row.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from flan_datagen.catalog import Entry, Part, Template
from flan_datagen.pool import Pool
from flan_datagen.runs import within
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
    return tuple(
        Face(
            index,
            entry.templates[index].without_options() if policy.options == "none" else entry.templates[index],
        )
        for index in part.templates[: policy.per_dataset]
        if policy.turned_around or not entry.templates[index].turned_around
    )


@dataclasses.dataclass(frozen=True)
class Faces:
    """The faces of a pool's rows.

    Attributes:
      all: every face that some row may have.
      numbers: indices into `all`, those of like rows together, int64[k].
      first: where those of each row begin in `numbers`, int64[rows].
      count: how many each row has, at least one, int64[rows]; 0 only where a single template is asked for.
    """

    all: tuple[Face, ...]
    numbers: np.ndarray
    first: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, pool: Pool, policy: TemplatePolicy, *, template: int | None = None) -> "Faces":
        """The faces of the rows of `pool`.

        Args:
          pool: the rows.
          policy: of their cluster.
          template: only this index; None: whatever the policy lets draw.
        """
        entry = pool.entry
        optional = sorted(set().union(*(part.optional_fields for part in entry.members)))
        empty = [pool.frame[name].fill_null("").eq("").to_numpy() for name in optional]
        kinds = np.stack([pool.part_numbers, *empty], axis=1).astype(np.int64)
        found, kind = np.unique(kinds, axis=0, return_inverse=True)
        faces: dict[Face, int] = {}
        numbers: list[int] = []
        first, count = [], []
        for number, *blanks in found:
            missing = {name for name, blank in zip(optional, blanks, strict=True) if blank}
            chosen = [
                face
                for face in drawable_faces(entry, entry.members[number], policy)
                if template in (None, face.index) and not missing & set(face.template.input_fields)
            ]
            first.append(len(numbers))
            count.append(len(chosen))
            numbers += [faces.setdefault(face, len(faces)) for face in chosen]
        kind = kind.reshape(-1)
        to_rows = (np.array(column, np.int64)[kind] for column in (first, count))
        return cls(tuple(faces), np.array(numbers, np.int64), *to_rows)

    def draw(self, rows: np.ndarray, hashes: np.ndarray) -> np.ndarray:
        """A face for each of rows int64[n] by uint64[n]: int64[n], indices into `all`."""
        chosen = (hashes % self.count[rows].astype(np.uint64)).astype(np.int64)
        return self.numbers[self.first[rows] + chosen]

    def each(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Every face of every row, row by row: rows and faces, int64[sum of counts] both."""
        counts = self.count[rows]
        return np.repeat(rows, counts), self.numbers[np.repeat(self.first[rows], counts) + within(counts)]


def together(several: Sequence[Faces]) -> Faces:
    """The faces of several pools, their rows end to end; `draw` gives indices into `all` of the row's own pool."""
    starts = np.cumsum([0, *(len(faces.numbers) for faces in several)])
    return Faces(
        tuple(face for faces in several for face in faces.all),
        np.concatenate([faces.numbers for faces in several]),
        np.concatenate([faces.first + start for faces, start in zip(several, starts[:-1], strict=True)]),
        np.concatenate([faces.count for faces in several]),
    )
