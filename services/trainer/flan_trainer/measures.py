"""What a trainer tells of its steps once a while: sums since it told last, as numbers by name."""

import time

import numpy as np

from flan_shared.spec import RunSpec
from flan_trainer.engines.base import StepMetrics


class Measures:
    """Of the steps of one process; times are wall time between two calls of `take`."""

    def __init__(self, run: RunSpec, *, step_flops: float = 0.0, peak_flops: float | None = None) -> None:
        """Args:
        run: the spec.
        step_flops: what a step is worth (`flan_trainer.plan.predict.Workload.model_flops`).
        peak_flops: what all devices could do in a second; None: not known.
        """
        self._clusters = run.trained_clusters
        self._positions = run.packing.batch_rows * sum(run.row_lengths.values())
        self._step_flops, self._peak_flops = step_flops, peak_flops
        self._waited_s = 0.0
        self._begin()

    def _begin(self) -> None:
        self._since = time.monotonic()
        self._steps = self._tokens = 0
        self._by_cluster = np.zeros((2, len(self._clusters)))

    def add(self, metrics: StepMetrics, num_tokens: int) -> None:
        """A step that is done, with `num_tokens` non-padding tokens."""
        self._steps += 1
        self._tokens += num_tokens
        if metrics.by_cluster is not None:
            self._by_cluster += np.asarray(metrics.by_cluster)

    def take(self, metrics: StepMetrics, *, waited_s: float) -> dict[str, float]:
        """Numbers by name, and begins anew.

        Args:
          metrics: of the last step.
          waited_s: for data, since the process began.

        Returns:
          loss, z_loss, accuracy, learning_rate, grad_norm and param_norm of the last step; of the steps since the last
          call step_ms, wait_ms (of it, for data), tokens_per_s and non_padding_fraction, loss_by_cluster/NAME, the mean
          over the cluster's tokens, and, where the devices' peak is known, model_flops_utilisation.
        """
        elapsed_s, steps = max(time.monotonic() - self._since, 1e-9), max(self._steps, 1)
        values = metrics.fetch()
        del values["weight"]
        values |= {
            "step_ms": 1000 * elapsed_s / steps,
            "wait_ms": 1000 * (waited_s - self._waited_s) / steps,
            "tokens_per_s": self._tokens / elapsed_s,
            "non_padding_fraction": self._tokens / (steps * self._positions),
        }
        if self._peak_flops:
            values["model_flops_utilisation"] = self._step_flops * self._steps / elapsed_s / self._peak_flops
        sums, weights = self._by_cluster
        values |= {
            f"loss_by_cluster/{name}": float(sums[n] / weights[n])
            for n, name in enumerate(self._clusters)
            if weights[n]
        }
        self._waited_s = waited_s
        self._begin()
        return values


def peak_flops(run: RunSpec) -> float | None:
    """Operations a second of all devices at the type of the activations, by what makers publish; None: not known."""
    import jax

    from flan_trainer.plan.topology import CHIPS

    if run.model.dtype != "bfloat16":
        return None
    kinds = {"TPU v3": "v3", "TPU v4": "v4", "TPU v5 lite": "v5e", "TPU v6 lite": "v6e"}
    kind = jax.devices()[0].device_kind
    if kind in kinds:
        return CHIPS[kinds[kind]].flops * jax.device_count()
    # Dense bfloat16 with tensor cores, from the data sheets of H100 SXM, H200 SXM and A100.
    teraflops = {"H100": 989, "H200": 989, "A100": 312}
    found = next((value for name, value in teraflops.items() if name in kind), None)
    return found and found * 1e12 * jax.device_count()
