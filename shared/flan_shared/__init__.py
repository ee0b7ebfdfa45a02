"""What more than one FLAN service needs, and nothing else."""
