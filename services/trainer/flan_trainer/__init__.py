"""Tunes a model on what the line delivers and publishes its checkpoints."""
