"""What a run mixes: the datasets of its spec, or their parts, each with the policy of its cluster."""

import dataclasses
from collections.abc import Iterable

from flan_datagen.catalog import Catalog, Entry
from flan_datagen.catalog.entry import ALLOWED
from flan_datagen.pool import Pools
from flan_shared.errors import SpecError
from flan_shared.spec import RunSpec, TemplatePolicy


@dataclasses.dataclass(frozen=True)
class Unit:
    """What has a cap and a rate of its own.

    Attributes:
      entry: the dataset.
      part: one of its parts; None: all of them.
      policy: how its rows become text.
    """

    entry: Entry
    part: str | None
    policy: TemplatePolicy

    @property
    def name(self) -> str:
        """Keys its draws: `id`, or `id/part`."""
        return f"{self.entry.id}/{self.part}" if self.part else self.entry.id


def mixture_units(spec: RunSpec, pools: Pools) -> list[Unit]:
    """Units of the spec's mixture, those whose licence does not fit left out.

    Raises:
      SpecError: as `mixture_entries`.
    """
    units = []
    for entry in mixture_entries(spec, pools.catalog):
        policy = spec.templates.of(entry.cluster)
        parts = pools.train_parts(entry) if spec.mixture.rate_unit == "part" else []
        units += [Unit(entry, part, policy) for part in parts or [None]]
    return units


def mixture_entries(spec: RunSpec, catalog: Catalog) -> list[Entry]:
    """Catalog entries of the spec's mixture, those whose licence does not fit left out.

    Raises:
      SpecError: a dataset that the catalog does not have, or has in another cluster; or none is left.
    """
    entries = _entries(spec.mixture.datasets, catalog, "mixture.datasets")
    kept = [entry for entry in entries if _fits(spec, entry)]
    if not kept:
        raise SpecError(
            f"licences is {spec.licences}, which leaves no dataset of mixture.datasets; add datasets whose "
            "licence allows it (`flan catalog` shows them), or set licences: any"
        )
    return kept


def unlicensed_entries(spec: RunSpec, catalog: Catalog) -> list[Entry]:
    """Entries that `mixture_entries` leaves out for their licence."""
    return [
        entry
        for entry in _entries(spec.mixture.datasets, catalog, "mixture.datasets")
        if not _fits(spec, entry)
    ]


def heldout_entries(spec: RunSpec, catalog: Catalog) -> list[Entry]:
    """Catalog entries of the spec's held-out datasets; scores need no licence to train.

    Raises:
      SpecError: a dataset that the catalog does not have, or has in another cluster.
    """
    return _entries(spec.heldout, catalog, "heldout")


def _fits(spec: RunSpec, entry: Entry) -> bool:
    return spec.licences == "any" or entry.commercial_use == ALLOWED


def _entries(datasets: dict[str, tuple[str, ...]], catalog: Catalog, field: str) -> list[Entry]:
    return [_entry(catalog, cluster, name, field) for cluster, name in _named(datasets)]


def _named(datasets: dict[str, tuple[str, ...]]) -> Iterable[tuple[str, str]]:
    # By name, not in the spec's order: what the draws are must not hang on how a list was written.
    return sorted((cluster, name) for cluster, names in datasets.items() for name in names)


def _entry(catalog: Catalog, cluster: str, name: str, field: str) -> Entry:
    if name not in catalog:
        here = [entry.id for entry in catalog.values() if entry.cluster == cluster]
        raise SpecError(f"{field}.{cluster} names {name!r}; the catalog has {', '.join(here)} there")
    if catalog[name].cluster != cluster:
        raise SpecError(
            f"{field}.{cluster} names {name!r}, which belongs to {catalog[name].cluster!r}; move it there"
        )
    return catalog[name]
