"""What more than one FLAN service needs, and nothing else."""

import os

# gRPC's core writes lines of its own to stderr for faults that we report in one line. It reads this when it is
# first imported, so it is set before any module of ours can.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
