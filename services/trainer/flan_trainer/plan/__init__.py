"""The plan of a run on TPUs that are not there: which mesh, how much memory, how much work.

The real training step (`flan_trainer.engines.step`) is compiled ahead of time by the real TPU compiler, the libtpu
wheel, on any Linux machine. `search` chooses what to compile, `compile` compiles it, `hlo` counts what came out,
`predict` says beforehand about what will. `flan_trainer.plan.__main__` is the command; see docs/plan.md.
"""
