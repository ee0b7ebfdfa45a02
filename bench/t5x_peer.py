"""T5X's trainer with T5X's own network: `python bench/t5x_peer.py FOLDER`, for an environment with t5x.

bench/trainer.py writes FOLDER and says when to make a round (bench/rounds.py): job.json, `params.npz`, parameters by
path, and `batches/fixed.npz`, the features that T5X names.

The step is `t5x.trainer.Trainer`'s, with Adafactor and PjitPartitioner, as T5X's own training loop calls it; the
spec's sizes and rates are in job.json. Nothing of this project is imported.
"""

import argparse
import json
from importlib import metadata
from pathlib import Path

import flax
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import unflatten_dict
from rounds import answer
from t5x import adafactor, models, partitioning, trainer, utils
from t5x.examples.t5 import network


class Peer:
    """The trainer and its batch."""

    def __init__(self, folder: Path) -> None:
        """Loads what `folder` holds, and compiles the step."""
        job = json.loads((folder / "job.json").read_text())
        with np.load(folder / "batches" / "fixed.npz") as arrays:
            self._batch = {name: jnp.asarray(arrays[name]) for name in arrays if "_" in name}
        with np.load(folder / "params.npz") as arrays:
            params = unflatten_dict({path: arrays[path] for path in arrays}, sep="/")
        model = models.EncoderDecoderModel(
            network.Transformer(network.T5Config(**job["network"])),
            input_vocabulary=None,
            output_vocabulary=None,
            optimizer_def=adafactor.Adafactor(
                decay_rate=job["decay_rate"],
                clipping_threshold=job["clipping_threshold"],
                min_dim_size_to_factor=job["min_dim_size_to_factor"],
            ),
            z_loss=job["z_loss"],
            loss_normalizing_factor=float(self._batch["decoder_loss_weights"].sum()),
        )
        partitioner = partitioning.PjitPartitioner(num_partitions=1)
        shapes = dict.fromkeys(("encoder_input_tokens", "decoder_input_tokens"), (1, 2))
        initializer = utils.TrainStateInitializer(
            model.optimizer_def, model.get_initial_variables, shapes, partitioner
        )
        state = initializer.from_scratch(jax.random.key(0)).replace_params(flax.core.freeze(params))
        self._trainer = trainer.Trainer(
            model,
            state,
            partitioner,
            eval_names=(),
            summary_dir=None,
            train_state_axes=partitioner.get_mesh_axes(state),
            rng=jax.random.key(0),
            learning_rate_fn=lambda _: job["learning_rate"],
            num_microbatches=None,
        )
        self._trainer.compile_train(self._batch)

    def step(self, name: str) -> float:
        """One update on the batch; its loss."""
        assert name == "fixed"
        step = self._trainer._compiled_train_step
        self._trainer.train_state, metrics = step(self._trainer.train_state, self._batch)
        return float(metrics["loss"].total)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of bench/trainer.py")
    peer = Peer(parser.parse_args().folder)
    answer(peer.step, {name: metadata.version(name) for name in ("jax", "flax")})


if __name__ == "__main__":
    main()
