"""Turns datasets into templated, packed examples and writes them to the line."""
