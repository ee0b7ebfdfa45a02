"""From a batch on the wire to the feature arrays that T5X names, without a loop over rows.

row: example A (inputs 5 7 1, targets 9 1), example B (inputs 4 1, targets 8 8 1); lengths 6 and 6

encoder_input_tokens   5 7 1 4 1 0     decoder_target_tokens  9 1 8 8 1 0
encoder_segment_ids    1 1 1 2 2 0     decoder_input_tokens   0 9 0 8 8 0
encoder_positions      0 1 2 0 1 0     decoder_segment_ids    1 1 2 2 2 0
                                       decoder_positions      0 1 0 1 2 0
                                       decoder_loss_weights   1 1 1 1 1 0
"""

import numpy as np

from flan_shared.line import PackedBatch


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
    row, segment = _places(batch)
    if len(batch.row_examples) > rows:
        raise ValueError(f"batch has {len(batch.row_examples)} rows; expected at most {rows}")
    # Tokens alternate inputs and targets by example: the lengths, interleaved, say which is which.
    lengths = np.stack([batch.input_lengths, batch.target_lengths], axis=1).ravel()
    is_target = np.repeat(np.tile([False, True], batch.num_examples), lengths)
    encoder = _side(batch.tokens[~is_target], batch.input_lengths, row, segment, (rows, inputs))
    decoder = _side(batch.tokens[is_target], batch.target_lengths, row, segment, (rows, targets))
    tokens, segments, positions = decoder
    shifted = np.zeros_like(tokens)
    shifted[:, 1:] = tokens[:, :-1]
    shifted[positions == 0] = 0
    return {
        "encoder_input_tokens": encoder[0],
        "encoder_segment_ids": encoder[1],
        "encoder_positions": encoder[2],
        "decoder_target_tokens": tokens,
        "decoder_input_tokens": shifted,
        "decoder_segment_ids": segments,
        "decoder_positions": positions,
        "decoder_loss_weights": (segments > 0).astype(np.float32),
    }


def count_examples(features: dict[str, np.ndarray]) -> int:
    """Examples in a batch, from its segment ids: they count from 1 in every row."""
    return int(features["decoder_segment_ids"].max(axis=1).sum())


def _places(batch: PackedBatch) -> tuple[np.ndarray, np.ndarray]:
    """Row and segment of every example: int64[num_examples] each."""
    row = np.repeat(np.arange(len(batch.row_examples)), batch.row_examples)
    first = np.cumsum(batch.row_examples) - batch.row_examples
    return row, np.arange(batch.num_examples) - first[row] + 1


def _side(
    tokens: np.ndarray, lengths: np.ndarray, row: np.ndarray, segment: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens, segment ids and positions of one side, int32[shape] each."""
    arrays = tuple(np.zeros(shape, np.int32) for _ in range(3))
    if not len(tokens):
        return arrays
    starts = np.cumsum(lengths) - lengths
    # Where the row's first example starts, for every example: columns count from there.
    first_of_row = np.flatnonzero(segment == 1)
    column_start = starts - starts[first_of_row][np.searchsorted(row[first_of_row], row)]
    position = np.arange(len(tokens)) - np.repeat(starts, lengths)
    column = np.repeat(column_start, lengths) + position
    if int(column.max()) >= shape[1]:
        raise ValueError(f"a packed row has {int(column.max()) + 1} tokens; expected at most {shape[1]}")
    place = (np.repeat(row, lengths), column)
    arrays[0][place] = tokens
    arrays[1][place] = np.repeat(segment, lengths)
    arrays[2][place] = position
    return arrays
