"""Draws to texts: the pools of a run with the faces of their rows, and what a draw reads like."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import polars as pl

from flan_datagen.face import Faces, together
from flan_datagen.fit import Prompt
from flan_datagen.mixture import Draws, Mixture, draw_exemplars
from flan_datagen.pool import Pool, row_name
from flan_datagen.render import Renderer, Shelf, exemplar_numbers, few_shot, shots
from flan_datagen.units import Unit


@dataclasses.dataclass(frozen=True)
class Quarantined:
    """A drawn row that a pure check found defective."""

    dataset: str
    row: str
    cause: str


@dataclasses.dataclass(frozen=True)
class Asked:
    """Draws as texts.

    Attributes:
      draws: them.
      face: of each, among those of its unit, int64[n].
      inputs: texts before any shortening.
      targets: texts.
      shots: exemplars of all, in order.
      first_shot: where those of each begin, and the end, int64[n + 1].
    """

    draws: Draws
    face: np.ndarray
    inputs: list[str]
    targets: list[str]
    shots: list[str]
    first_shot: np.ndarray


class Asker:
    """Asks rows of the pools of a run's units."""

    def __init__(self, units: Sequence[Unit], pools: Sequence[Pool], mixture: Mixture, *, seed: int) -> None:
        """Args:
        units: what the mixture draws from; draws name them by position.
        pools: their rows.
        mixture: keys the exemplars.
        seed: of the order of OPTIONS where they are shuffled.
        """
        self._units, self._pools, self._mixture = tuple(units), tuple(pools), mixture
        self._unit_faces = [Faces.of(pool, unit.policy) for unit, pool in zip(units, pools, strict=True)]
        # What hangs on a draw's row, for the rows of all pools end to end.
        self._first_row = np.cumsum([0, *(len(pool) for pool in pools)])[:-1]
        self._defects = np.concatenate([pool.defective for pool in pools])
        self._faces = together(self._unit_faces)
        self._few_shot = any(unit.policy.num_shots for unit in units)
        self._renderer = Renderer(
            [
                Shelf(pool, faces.all, unit.policy.options == "shuffled")
                for unit, pool, faces in zip(units, pools, self._unit_faces, strict=True)
            ],
            seed=seed,
        )

    def defective(self, draws: Draws) -> np.ndarray:
        """Which draws are of a row with a defect: bool[n]."""
        return self._defects[self._first_row[draws.stream] + draws.row]

    def quarantined(self, draws: Draws) -> tuple[Quarantined, ...]:
        """What is wrong with the rows of these draws, which all have a defect."""
        found = []
        for place in range(len(draws)):
            pool = self._pools[draws.stream[place]]
            (row,) = pool.take(draws.row[[place]])
            found.append(Quarantined(pool.entry.id, row_name(row), row["defect"]))
        return tuple(found)

    def name(self, draws: Draws, place: int) -> tuple[str, str]:
        """Dataset and row of one draw."""
        pool = self._pools[draws.stream[place]]
        (row,) = pool.take(draws.row[[place]])
        return pool.entry.id, row_name(row)

    def ask(self, draws: Draws) -> Asked:
        """The texts of draws without a defect."""
        face = self._faces.draw(self._first_row[draws.stream] + draws.row, draws.choice)
        texts = self._renderer.render(draws.stream, face, draws.row, draws.number)
        inputs, shown, counts = (
            texts.inputs,
            pl.Series("texts", [], pl.String),
            np.zeros(len(draws), np.int64),
        )
        if self._few_shot:
            exemplars = self._exemplars(draws)
            counts = np.array([len(rows) for rows in exemplars], np.int64)
            rendered = self._renderer.render(
                np.repeat(draws.stream, counts),
                np.repeat(face, counts),
                np.concatenate([np.zeros(0, np.int64), *exemplars]),
                exemplar_numbers(draws.number, counts),
            )
            shown = shots(rendered)
            inputs = few_shot(inputs, shown, counts)
        first_shot = np.cumsum([0, *counts])
        return Asked(draws, face, inputs.to_list(), texts.targets.to_list(), shown.to_list(), first_shot)

    def prompt(self, asked: Asked, place: int) -> Prompt:
        """One of the draws in the form that can be shortened."""
        draws = asked.draws
        stream, row, number = (int(column[place]) for column in (draws.stream, draws.row, draws.number))
        return Prompt(
            self._unit_faces[stream].all[asked.face[place]].template,
            self._renderer.values(stream, row, number),
            tuple(asked.shots[asked.first_shot[place] : asked.first_shot[place + 1]]),
        )

    def _exemplars(self, draws: Draws) -> list[np.ndarray]:
        """Pool rows of each draw's exemplars: of the query's own part, which shares its templates."""
        exemplars = [np.zeros(0, np.int64)] * len(draws)
        for stream in np.unique(draws.stream):
            num_shots, pool = self._units[stream].policy.num_shots, self._pools[stream]
            if not num_shots:
                continue
            mine = np.flatnonzero(draws.stream == stream)
            keys = self._mixture.exemplar_keys(int(stream), draws.number[mine])
            parts = pool.part_numbers[draws.row[mine]]
            found = np.full((len(mine), num_shots), -1, np.int64)
            for part in np.unique(parts):
                here = parts == part
                found[here] = draw_exemplars(
                    keys[here], pool.rows_by_part[part], num_shots, queries=draws.row[mine][here]
                )
            # A defective exemplar is left out: it counts only where it is the query of a draw.
            usable = (found >= 0) & ~pool.defective[found]
            for place, rows, keep in zip(mine, found, usable, strict=True):
                exemplars[place] = rows[keep]
        return exemplars
