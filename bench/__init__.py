"""Benchmarks: scripts that print JSON; ratios are taken in one run."""
