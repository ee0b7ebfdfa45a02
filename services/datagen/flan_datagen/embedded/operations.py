"""Operations by cluster: what a reader must be able to do, and which cluster teaches it when another is held out.

    >>> "nli" in table()["statement check"]
    True

`python -m flan_datagen.embedded.operations` prints the whole table.
"""

from flan_datagen.embedded.source import CLUSTERS
from flan_shared.holdout import training_clusters

NOT_TEACHABLE: dict[str, str] = {}
"""Operations that stand in one cluster alone, each with the reason."""


def table() -> dict[str, dict[str, tuple[str, ...]]]:
    """For each operation the clusters that need it, each with its datasets; all in the order of the catalog."""
    found: dict[str, dict[str, list[str]]] = {}
    for cluster, datasets in CLUSTERS.items():
        for name, dataset in datasets.items():
            for operation in dataset.operations:
                found.setdefault(operation, {}).setdefault(cluster, []).append(name)
    return {
        operation: {cluster: tuple(names) for cluster, names in clusters.items()}
        for operation, clusters in found.items()
    }


def not_teachable(heldout: str) -> tuple[str, ...]:
    """The operations of a held-out cluster that no cluster has which may be tuned on.

    A held-out cluster takes its neighbours with it, so this may name more than `NOT_TEACHABLE`.

    Raises:
      KeyError: `heldout` is no cluster.
    """
    tuned = set(training_clusters({heldout}))
    return tuple(
        operation
        for operation, clusters in table().items()
        if heldout in clusters and not tuned & set(clusters)
    )


def render() -> str:
    """The table as text: an operation a line, clusters apart by semicolons."""
    rows = {
        operation: "; ".join(f"{cluster}: {', '.join(names)}" for cluster, names in clusters.items())
        for operation, clusters in table().items()
    }
    width = max(map(len, rows))
    lines = [f"{operation:{width}}  {where}" for operation, where in rows.items()]
    lost = [f"{cluster}: {', '.join(names)}" for cluster in CLUSTERS if (names := not_teachable(cluster))]
    return "\n".join([*lines, "", "not taught by any other cluster when held out", *(lost or ["none"])])


if __name__ == "__main__":
    print(render())
