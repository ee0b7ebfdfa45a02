"""Checkpoints from and for elsewhere: T5X, Hugging Face, and this project's own folders.

Whatever a folder holds is read into one form, the on-disk tree of its family with float32 numpy arrays, and written
from it. Bits do not change: a checkpoint that goes out and comes back is the same. Importing this loads jax.
"""

from flan_trainer.convert.source import Source
from flan_trainer.convert.start import load_start, read_checkpoint
from flan_trainer.convert.write import FORMS, write_checkpoint

__all__ = ["FORMS", "Source", "load_start", "read_checkpoint", "write_checkpoint"]
