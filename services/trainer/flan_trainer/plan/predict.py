"""What a candidate will need, by formulas: good enough to order candidates, and compiled figures replace it.

Work and traffic are those of a transformer whose width is spread over `model` and whose rows are spread over `data`
(arXiv:1909.08053, section 3; arXiv:2211.05102, section 3.2). What is not foreseen is how XLA orders and reuses buffers.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import jax
from flax.linen import partitioning

from flan_shared import spec
from flan_shared.checkpoint import flatten
from flan_trainer.engines.mesh import axis_rules
from flan_trainer.engines.step import Step
from flan_trainer.plan.candidate import Candidate
from flan_trainer.plan.topology import Chip

_ACTIVATION = 2
"""Bytes of a bfloat16; logits and what is added up are float32."""


@dataclass(frozen=True)
class Predicted:
    """Of one core and one step."""

    bytes: float
    seconds: float


@dataclass(frozen=True)
class _Stack:
    """Equal layers and what runs through them."""

    layers: int
    positions: int
    """Of a whole batch."""
    kernels: int
    """Parameters of one layer that are multiplied with every position."""
    attended: int
    """Keys of a query, of all attentions of a layer together."""
    blocks: int
    """Attentions and feed-forwards of a layer; each ends in a sum over the model axis."""


class Workload:
    """A run's step, whatever it is laid out on.

    Attributes:
      parameters: elements of all parameters.
      model_flops: six for each position and each weight that it is multiplied with, four where a prompt alone is
        trained (arXiv:2001.08361, section 2.1): what the step is worth, without what a backward pass makes anew and
        without attention's products.
    """

    def __init__(self, run: spec.RunSpec) -> None:
        """Traces the initialisation once; no array is made."""
        # The policy does not matter here, the scanned form does.
        step = Step(Candidate(1, 1, 1, 1, "none").applied_to(run))
        state = step.state_shapes()
        self._run, self._axes = run, step.axes
        self._params = {path: leaf.shape for path, leaf in flatten(state.params).items()}
        self._slot_bytes = 4 * sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state.opt_state))
        self._stacks = list(_stacks(run))
        self._positions = run.packing.batch_rows * run.row_lengths["decoder"]
        self.parameters = sum(math.prod(shape) for shape in self._params.values())
        logits = run.model.emb_dim * run.vocab_size * self._positions
        self._products = sum(each.layers * each.kernels * each.positions for each in self._stacks) + logits
        # Of a prompt alone no gradient of the weights is computed.
        self.model_flops = (4.0 if run.prompt else 6.0) * self._products

    def is_even(self, candidate: Candidate, rows: int | None = None) -> bool:
        """Whether rows (those of a batch where not given), heads and every parameter can be divided as it has it."""
        rows = self._run.packing.batch_rows if rows is None else rows
        if rows % candidate.data or self._run.model.num_heads % candidate.model:
            return False
        return all(
            size % parts == 0
            for path, shape in self._params.items()
            for size, parts in zip(shape, self._parts(path, candidate), strict=True)
        )

    def predict(self, candidate: Candidate, chip: Chip) -> Predicted:
        """Memory and time on cores like `chip`; the time is that of products and then of collectives."""
        cores = candidate.data * candidate.model
        seconds = self._flops(candidate) / cores / chip.flops + self._sent(candidate) / chip.interconnect
        return Predicted(self._bytes(candidate), seconds)

    def _parts(self, path: str, candidate: Candidate) -> list[int]:
        """Into how many parts each axis of a parameter is cut."""
        rules = axis_rules(activation_dims=candidate.activation_dims, parameter_dims=candidate.parameter_dims)
        sizes = {"data": candidate.data, "model": candidate.model}
        mesh_axes = partitioning.logical_to_mesh_axes(self._axes[path], rules)
        return [sizes[axis] if axis else 1 for axis in mesh_axes]

    def _flops(self, candidate: Candidate) -> float:
        # A whole layer once more, or only the attention between its products with weights.
        again = {"none": (3, 3), "minimal": (3, 4), "full": (4, 4)}[candidate.remat_policy]
        config = self._run.model
        mixing = sum(each.layers * each.positions * each.attended for each in self._stacks)
        return 2.0 * (again[0] * self._products + again[1] * 2 * mixing * config.num_heads * config.head_dim)

    def _sent(self, candidate: Candidate) -> float:
        data, model, width = candidate.data, candidate.model, self._run.model.emb_dim
        again = candidate.remat_policy == "full"
        sums = sum(
            # The last block of a layer need not be made anew.
            each.layers * (2 * each.blocks + again * (each.blocks - 1)) * each.positions
            for each in self._stacks
        )
        # Spread over the model axis as well, a sum is a scatter and a gather, and the backward pass gathers once more.
        gathers = 1.25 if candidate.activation_dims == 2 else 1.0
        between_layers = 2 * (model - 1) / model * gathers * sums / data * width * _ACTIVATION
        # Gathered for each pass and scattered once, or summed in a scatter and a gather.
        passes = 3 if candidate.parameter_dims == 2 else 2
        return between_layers + passes * (data - 1) / data * self.parameters / model * _ACTIVATION

    def _bytes(self, candidate: Candidate) -> float:
        run, config, data, model = self._run, self._run.model, candidate.data, candidate.model
        own = {
            path: math.prod(shape) / math.prod(self._parts(path, candidate))
            for path, shape in self._params.items()
        }
        # Parameters, their gradients, and what Adafactor makes of the largest at a time.
        state = 4 * (2 * sum(own.values()) + 2 * max(own.values())) + self._slot_bytes
        width = config.emb_dim / (model if candidate.activation_dims == 2 else 1)
        inner = (config.num_heads * config.head_dim + 2 * config.mlp_dim) / model
        saved = working = 0.0
        for each in self._stacks:
            positions = each.positions / data
            pairs = positions * each.attended * config.num_heads / model
            # Of each layer: its input; the results of its products; all else, probabilities among it.
            kept = {"none": 8 * width + 4 * inner, "minimal": 3 * width + 2 * inner, "full": width}
            kept_pairs = {"none": 3 * pairs}.get(candidate.remat_policy, 0)
            saved += each.layers * (positions * kept[candidate.remat_policy] + kept_pairs) * _ACTIVATION
            of_layer = positions * (8 * width + 4 * inner) * _ACTIVATION + 3 * pairs * 4
            weights = 3 * each.kernels / model * _ACTIVATION if candidate.parameter_dims == 2 else 0
            working = max(working, of_layer + weights)
        logits = 3 * 4 * self._positions / data * run.vocab_size / model
        return state + saved + max(working, logits)


def _stacks(run: spec.RunSpec) -> Iterator[_Stack]:
    config, rows, lengths = run.model, run.packing.batch_rows, run.row_lengths
    attention = 4 * config.emb_dim * config.num_heads * config.head_dim
    mlp = (1 + len(config.mlp_activations)) * config.emb_dim * config.mlp_dim
    length = lengths["decoder"]
    if isinstance(config, spec.PrefixLM):
        yield _Stack(config.num_layers, rows * length, attention + mlp, length, 2)
        return
    read = lengths["encoder"]
    yield _Stack(config.num_encoder_layers, rows * read, attention + mlp, read, 2)
    # Half of the cross attention's kernels meet the encoder's positions; counted as if all met the decoder's.
    yield _Stack(config.num_decoder_layers, rows * length, 2 * attention + mlp, length + read, 3)
