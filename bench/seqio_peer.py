"""How fast seqio does the job of a replica: `.venv-peers/bin/python bench/seqio_peer.py FOLDER`.

For the environment of `make setup EXTRAS=peers`; bench/datagen.py writes FOLDER (bench/peer_job.py) and calls it.
The pipeline is that of FLAN's released code (google-research/FLAN, flan/preprocessors.py): a Task a dataset, rows
from memory, templates filled by tf.strings.join, seqio's own tokenization, mixture and packing.

    examples_per_s      examples in packed rows, by segment ids; its spread is over fifths of the time
    examples_per_cpu_s  the same by seconds of all cores together, which other work on the machine does not lengthen
    tokens_per_s        without padding
    rows_over_bound     packed rows / the least that tokens allow
"""

import argparse
import functools
import importlib.metadata
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import seqio
import tensorflow as tf

_NUM_SLICES = 5
_SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of bench/peer_job.py")
    parser.add_argument("--warm-up-s", type=float, default=10, help="from the first batch on")
    parser.add_argument("--seconds", type=float, default=20, help="measured after it")
    arguments = parser.parse_args()
    job = json.loads((arguments.folder / "job.json").read_text())
    batches = pipeline(arguments.folder, job).as_numpy_iterator()
    # The first batch fills the buffers of all tasks.
    first_batch_s = _drain(batches, 0)[1]
    _drain(batches, arguments.warm_up_s)
    cpu_began = time.process_time()
    slices = [_drain(batches, arguments.seconds / _NUM_SLICES) for _ in range(_NUM_SLICES)]
    cpu_s = time.process_time() - cpu_began
    counts = np.sum([counted for counted, _ in slices], axis=0)
    seconds = sum(lasted for _, lasted in slices)
    num_rows, num_examples, inputs, targets = counts.tolist()
    bound = max(-(-inputs // job["lengths"]["inputs"]), -(-targets // job["lengths"]["targets"]))
    rates = sorted(counted[1] / lasted for counted, lasted in slices)
    result = {
        "examples_per_s": num_examples / seconds,
        "examples_per_s_spread": [rates[0], rates[-1]],
        "examples_per_cpu_s": num_examples / cpu_s,
        "tokens_per_s": (inputs + targets) / seconds,
        "tokens_per_example": (inputs + targets) / num_examples,
        "rows_over_bound": num_rows / bound,
        "first_batch_s": first_batch_s,
        "parameters": {
            "lengths": job["lengths"],
            "tasks": len(job["tasks"]),
            "seconds": arguments.seconds,
            "warm_up_s": arguments.warm_up_s,
        },
        "versions": {
            name: importlib.metadata.version(name) for name in ("seqio", "tensorflow", "tensorflow-text")
        },
    }
    print(json.dumps(result, indent=2))


def pipeline(folder: Path, job: dict) -> tf.data.Dataset:
    """Batches of packed rows: the features that T5X names, int32[batch_rows, length] each, without end."""
    vocabulary = seqio.SentencePieceVocabulary(str(folder / "tokenizer.model"))
    for task in job["tasks"]:
        seqio.TaskRegistry.add(
            task["name"],
            source=seqio.FunctionDataSource(_rows(folder / f"{task['name']}.jsonl"), splits=["train"]),
            preprocessors=[
                _templating(task["templates"]),
                functools.partial(seqio.preprocessors.tokenize, copy_pretokenized=False),
                seqio.preprocessors.append_eos_after_trim,
            ],
            output_features={side: seqio.Feature(vocabulary) for side in ("inputs", "targets")},
        )
    seqio.MixtureRegistry.add("flan", [(task["name"], task["rate"]) for task in job["tasks"]])
    packed = seqio.get_dataset(
        "flan",
        task_feature_lengths=job["lengths"],
        feature_converter=seqio.EncDecFeatureConverter(pack=True),
        num_epochs=None,
        shuffle=True,
        seed=_SEED,
    )
    return packed.batch(job["batch_rows"]).prefetch(tf.data.AUTOTUNE)


def _rows(path: Path) -> Callable[..., tf.data.Dataset]:
    def dataset_fn(split: str, shuffle_files: bool, seed: int | None = None) -> tf.data.Dataset:
        with path.open() as lines:
            rows = [json.loads(line) for line in lines]
        return tf.data.Dataset.from_tensor_slices({name: [row[name] for row in rows] for name in rows[0]})

    return dataset_fn


def _templating(templates: list[dict]) -> Callable[[tf.data.Dataset], tf.data.Dataset]:
    """Template i for row i of as many rows as there are templates: FLAN's way, a graph without branches."""

    def fill(rows: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {
            side: tf.stack([_join(template[side], rows, i) for i, template in enumerate(templates)])
            for side in ("inputs", "targets")
        }

    def preprocess(dataset: tf.data.Dataset) -> tf.data.Dataset:
        several = dataset.batch(len(templates), drop_remainder=True)
        return several.map(fill, num_parallel_calls=tf.data.AUTOTUNE).unbatch()

    return preprocess


def _join(parts: list[list], rows: dict[str, tf.Tensor], i: int) -> tf.Tensor:
    literals_and_values = [
        piece for literal, name in parts for piece in (literal, *([rows[name][i]] if name else []))
    ]
    return tf.strings.join(literals_and_values)


def _drain(batches: Iterator[dict[str, np.ndarray]], seconds: float) -> tuple[np.ndarray, float]:
    """Takes batches for so long, one at least: rows, examples, input and target tokens; seconds it lasted."""
    began, counts = time.perf_counter(), np.zeros(4, np.int64)
    for batch in batches:
        inputs, targets = batch["encoder_segment_ids"], batch["decoder_segment_ids"]
        counts += [len(inputs), inputs.max(1).sum(), np.count_nonzero(inputs), np.count_nonzero(targets)]
        lasted = time.perf_counter() - began
        if lasted >= seconds:
            break
    return counts, lasted


if __name__ == "__main__":
    main()
