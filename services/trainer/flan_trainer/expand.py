"""From a batch on the wire to the feature arrays that T5X names, without a loop over rows.

row: example A (inputs 5 7 1, targets 9 1), example B (inputs 4 1, targets 8 8 1); lengths 6 and 6

encoder_input_tokens   5 7 1 4 1 0     decoder_target_tokens  9 1 8 8 1 0
encoder_segment_ids    1 1 1 2 2 0     decoder_input_tokens   0 9 0 8 8 0
encoder_positions      0 1 2 0 1 0     decoder_segment_ids    1 1 2 2 2 0
                                       decoder_positions      0 1 0 1 2 0
                                       decoder_loss_weights   1 1 1 1 1 0

The same row for a prefix LM of length 11:

decoder_target_tokens     5 7 1 9 1 4 1 8 8 1 0
decoder_input_tokens      0 5 7 1 9 0 4 1 8 8 0
decoder_loss_weights      0 0 0 1 1 0 0 1 1 1 0
decoder_segment_ids       1 1 1 1 1 2 2 2 2 2 0
decoder_positions         0 1 2 3 4 0 1 2 3 4 0
decoder_causal_attention  1 1 1 1 0 1 1 1 0 0 0

What is read before the first target is predicted sees all of itself: the inputs with their EOS, shifted behind a 0,
hence inputs + 1 ones (seqio/feature_converters.py, PrefixLMFeatureConverter). To these comes decoder_clusters, which
T5X does not know: the cluster of each token's example, for a loss by cluster.
"""

import dataclasses

import numpy as np

from flan_shared import spec
from flan_shared.line import PackedBatch


def features_of(batch: PackedBatch, run: spec.RunSpec) -> dict[str, np.ndarray]:
    """Feature arrays as the model of a run takes them.

    Args:
      batch: from the line, packed with the spec's lengths.
      run: the spec.

    Returns:
      `packing.batch_rows` rows; see `expand` and `expand_prefix_lm`.

    Raises:
      ValueError: the batch does not fit the spec's sizes.
    """
    rows, lengths = run.packing.batch_rows, run.row_lengths
    if isinstance(run.model, spec.PrefixLM):
        return expand_prefix_lm(batch, rows=rows, length=lengths["decoder"])
    return expand(batch, rows=rows, inputs=lengths["encoder"], targets=lengths["decoder"])


def expand(batch: PackedBatch, *, rows: int, inputs: int, targets: int) -> dict[str, np.ndarray]:
    """Feature arrays of an encoder-decoder batch.

    Args:
      batch: from the line.
      rows: rows of the arrays; those that the batch does not fill are padding.
      inputs: input tokens a row.
      targets: target tokens a row.

    Returns:
      int32[rows, inputs] encoder_* and int32[rows, targets] decoder_* features; decoder_loss_weights is float32.

    Raises:
      ValueError: the batch does not fit these sizes.
    """
    is_target = _is_target(batch)
    encoder = _grid(batch, batch.input_lengths, (rows, inputs))
    decoder = _grid(batch, batch.target_lengths, (rows, targets))
    return {
        "encoder_input_tokens": encoder.array(batch.tokens[~is_target]),
        "encoder_segment_ids": encoder.array(encoder.segments),
        "encoder_positions": encoder.array(encoder.positions),
        **_decoder(decoder, batch.tokens[is_target], np.repeat(batch.clusters, batch.target_lengths)),
        "decoder_loss_weights": decoder.mask.astype(np.float32),
    }


def expand_prefix_lm(batch: PackedBatch, *, rows: int, length: int) -> dict[str, np.ndarray]:
    """Feature arrays of a prefix-LM batch: an example is its inputs and then its targets, one segment.

    Args:
      batch: from the line.
      rows: rows of the arrays; those that the batch does not fill are padding.
      length: tokens a row, inputs and targets together.

    Returns:
      int32[rows, length] decoder_* features; decoder_loss_weights is float32 and covers the targets with their
      EOS; decoder_causal_attention is 1 where a token is seen by its whole segment.

    Raises:
      ValueError: the batch does not fit these sizes.
    """
    lengths = batch.input_lengths + batch.target_lengths
    grid = _grid(batch, lengths, (rows, length))
    return {
        **_decoder(grid, batch.tokens, np.repeat(batch.clusters, lengths)),
        "decoder_loss_weights": grid.array(_is_target(batch), np.float32),
        "decoder_causal_attention": grid.array(grid.positions <= np.repeat(batch.input_lengths, lengths)),
    }


def count_examples(features: dict[str, np.ndarray]) -> int:
    """Examples in a batch, from its segment ids: they count from 1 in every row."""
    return int(features["decoder_segment_ids"].max(axis=1).sum())


@dataclasses.dataclass(frozen=True)
class _Grid:
    """Where the tokens of a batch stand.

    Attributes:
      mask: bool[rows, length], True where a token stands: from the left, without gaps.
      segments: int64[num_tokens], row by row.
      positions: int64[num_tokens], from 0 in each segment.
    """

    mask: np.ndarray
    segments: np.ndarray
    positions: np.ndarray

    def array(self, values: np.ndarray, dtype: type = np.int32) -> np.ndarray:
        """Values of the tokens, row by row, at their places: dtype[rows, length], 0 elsewhere."""
        array = np.zeros(self.mask.shape, dtype)
        array[self.mask] = values
        return array


def _grid(batch: PackedBatch, lengths: np.ndarray, shape: tuple[int, int]) -> _Grid:
    """The places of tokens of which each example has `lengths`."""
    num_rows = len(batch.row_examples)
    if num_rows > shape[0]:
        raise ValueError(f"batch has {num_rows} rows; expected at most {shape[0]}")
    ends = np.concatenate([[0], np.cumsum(lengths)])
    row_ends = np.concatenate([[0], np.cumsum(batch.row_examples)])
    row_tokens = np.zeros(shape[0], np.int64)
    row_tokens[:num_rows] = np.diff(ends[row_ends])
    longest = int(row_tokens.max(initial=0))
    if longest > shape[1]:
        raise ValueError(f"a packed row has {longest} tokens; expected at most {shape[1]}")
    segment = np.arange(1, batch.num_examples + 1) - np.repeat(row_ends[:-1], batch.row_examples)
    return _Grid(
        np.arange(shape[1]) < row_tokens[:, None],
        np.repeat(segment, lengths),
        np.arange(ends[-1]) - np.repeat(ends[:-1], lengths),
    )


def _decoder(grid: _Grid, tokens: np.ndarray, clusters: np.ndarray) -> dict[str, np.ndarray]:
    shifted = np.zeros_like(tokens)
    shifted[1:] = tokens[:-1]
    shifted[grid.positions == 0] = 0
    return {
        "decoder_target_tokens": grid.array(tokens),
        "decoder_input_tokens": grid.array(shifted),
        "decoder_segment_ids": grid.array(grid.segments),
        "decoder_positions": grid.array(grid.positions),
        "decoder_clusters": grid.array(clusters),
    }


def _is_target(batch: PackedBatch) -> np.ndarray:
    """Which tokens are targets, bool[num_tokens]: they alternate, inputs and targets of one example after another."""
    lengths = np.stack([batch.input_lengths, batch.target_lengths], axis=1).ravel()
    return np.repeat(np.tile([False, True], batch.num_examples), lengths)
