"""The `flan` command: starts local stacks, talks to services, draws progress."""
