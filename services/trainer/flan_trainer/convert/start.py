"""Any form of checkpoint by its path, and the parameters that a run starts from."""

import dataclasses
import hashlib
import re
from pathlib import Path
from typing import Any

from flan_shared.errors import CheckpointError
from flan_shared.spec import RunSpec
from flan_shared.tokenizer import Tokenizer
from flan_trainer.convert.hub import fetched, is_hub_address
from flan_trainer.convert.hugging_face import is_hugging_face, read_hugging_face
from flan_trainer.convert.layout import same_where_both_say
from flan_trainer.convert.ours import is_ours, read_ours
from flan_trainer.convert.source import Source
from flan_trainer.convert.t5x import is_t5x, read_t5x

_STEP = re.compile(r"^checkpoint_([0-9]+)$")


def read_checkpoint(path: Path | str) -> Source:
    """Reads a checkpoint of the project, of T5X, or of Hugging Face, whichever the folder holds.

    Args:
      path: the folder of a checkpoint; or one with several `checkpoint_N`, of which the newest is taken; or a
        run's; or the file `checkpoint` of T5X; or hf://ORGANISATION/NAME.

    Raises:
      CheckpointError: it is none of these, or something in it is missing or damaged.
    """
    path = fetched(path) if is_hub_address(path) else Path(path)
    folder = path.parent if path.name == "checkpoint" and path.is_file() else path
    if not folder.is_dir():
        raise CheckpointError(f"checkpoint {path} is not a folder; give the folder of a checkpoint")
    for place in (folder, folder / "checkpoints"):
        if newest := _newest(place):
            folder = newest
            break
    for is_form, read in ((is_ours, read_ours), (is_hugging_face, read_hugging_face), (is_t5x, read_t5x)):
        if is_form(folder):
            return read(folder)
    raise CheckpointError(
        f"{folder} is not a checkpoint: expected params/ (this project's), config.json and model.safetensors (Hugging "
        "Face), or a file named checkpoint (T5X)"
    )


def _newest(folder: Path) -> Path | None:
    if not folder.is_dir():
        return None
    steps = [
        (int(match[1]), path)
        for path in folder.iterdir()
        if (match := _STEP.match(path.name)) and path.is_dir()
    ]
    return max(steps, default=(0, None))[1]


def load_start(path: Path | str, run: RunSpec) -> dict[str, Any]:
    """The parameters that a run starts from.

    Args:
      path: see `read_checkpoint`.
      run: pinned to its tokenizer.

    Returns:
      Nested dicts of float32 `np.ndarray`, in the on-disk form: unscanned, every shape that of `run.model`. With a
      prompt where the checkpoint has one; the engine says whether the run can take it.

    Raises:
      CheckpointError: it cannot be read, is of another network, vocabulary or tokenizer, or is not the one that
        `run.start.digest` names.
    """
    source = read_checkpoint(path)
    _check_network(source, run, rows=run.vocab_size)
    if source.tokenizer is not None and run.tokenizer.digest is not None:
        found = hashlib.sha256(source.tokenizer).hexdigest()
        if found != run.tokenizer.digest:
            raise CheckpointError(
                f"{source.where} was made with the tokenizer {found}, but the run has {run.tokenizer.digest}; "
                "give the run the checkpoint's tokenizer file"
            )
    if run.start.digest not in (None, source.digest):
        raise CheckpointError(
            f"{source.where} has parameters of digest {source.digest}, but start.digest of the run is "
            f"{run.start.digest}; give that checkpoint, or change the field"
        )
    return source.params


def described_by(source: Source, run: RunSpec) -> Source:
    """The same parameters, with what only the spec of its run can say: activations and extra ids.

    Raises:
      CheckpointError: the spec is of another network.
    """
    # A spec that is not pinned does not know how many pieces its tokenizer came to have.
    _check_network(source, run, rows=source.model.vocab_size)
    model = source.model.model_copy(update={"mlp_activations": run.model.mlp_activations})
    return dataclasses.replace(source, model=model, activations_known=True, extra_ids=run.tokenizer.extra_ids)


def with_tokenizer(source: Source, tokenizer: Tokenizer) -> Source:
    """The same parameters with another tokenizer file beside them.

    Raises:
      CheckpointError: it has more pieces than the embedding has rows.
    """
    rows = source.model.vocab_size or 0
    if tokenizer.vocab_size > rows:
        raise CheckpointError(
            f"{source.where} has an embedding of {rows} rows, but the tokenizer has {tokenizer.vocab_size} pieces; "
            "give the tokenizer that the checkpoint was made with"
        )
    return dataclasses.replace(source, tokenizer=tokenizer.model)


def _check_network(source: Source, run: RunSpec, *, rows: int | None) -> None:
    wanted = run.model.model_copy(update={"vocab_size": rows})
    differ = same_where_both_say(source.model, wanted, activations_known=source.activations_known)
    if not differ:
        return
    if len(differ) == 1 and differ[0].startswith("vocab_size"):
        ids = f"{run.tokenizer.vocab_size} pieces and {run.tokenizer.extra_ids} extra ids"
        rows = source.model.vocab_size or 0
        enough = rows >= run.tokenizer.vocab_size + run.tokenizer.extra_ids
        mend = f"set model.vocab_size to {rows}" if enough else "give the run the checkpoint's tokenizer file"
        raise CheckpointError(
            f"{source.where} has an embedding of {rows} rows, but the run's model has {run.vocab_size} "
            f"(tokenizer: {ids}); {mend}"
        )
    raise CheckpointError(
        f"{source.where} is not of the run's model (checkpoint against run): {'; '.join(differ)}; "
        "give another checkpoint, or change model in the run spec"
    )
