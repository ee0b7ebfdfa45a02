"""Writes a checkpoint in any form, whole or not at all."""

import errno
import os
import shutil
from pathlib import Path

from flan_shared.checkpoint import one_line
from flan_shared.errors import CheckpointError
from flan_trainer.convert.hugging_face import write_hugging_face
from flan_trainer.convert.ours import write_ours
from flan_trainer.convert.source import Source
from flan_trainer.convert.t5x import write_t5x

FORMS = ("flan", "hf", "t5x")


def write_checkpoint(source: Source, form: str, out: Path, *, step: int | None = None) -> None:
    """Writes `source` as the folder `out`, which must not exist; it appears at once.

    Args:
      source: to write.
      form: one of `FORMS`.
      out: its parent exists.
      step: for t5x; None: the source's own, or 0.

    Raises:
      CheckpointError: the form has no such network or no prompts, or the folder exists or cannot be written.
    """
    if form != "flan" and source.prompt_length:
        raise CheckpointError(
            f"{source.where} has a trained prompt of {source.prompt_length} pieces, which the form {form} has no place "
            "for; export the checkpoint that the prompt was trained on"
        )
    if out.exists():
        raise CheckpointError(f"{out} exists; give a folder that does not")
    if not out.absolute().parent.is_dir():
        raise CheckpointError(f"{out.parent} is not a folder; make it first")
    partial = out.with_name(f"{out.name}.{os.getpid()}.partial")
    try:
        partial.mkdir()
        if form == "hf":
            write_hugging_face(partial, source)
        elif form == "t5x":
            write_t5x(partial, source, step=source.step or 0 if step is None else step)
        else:
            write_ours(partial, source)
        partial.rename(out)
    except CheckpointError as err:
        # The temporary name means nothing to a reader.
        raise CheckpointError(str(err).replace(str(partial), str(out))) from err
    except OSError as err:
        what = "it was made meanwhile" if err.errno in (errno.ENOTEMPTY, errno.EEXIST) else one_line(err)
        raise CheckpointError(f"{out} cannot be written: {what}") from err
    finally:
        shutil.rmtree(partial, ignore_errors=True)
