"""Takes checkpoints in and judges them on the clusters that were held out."""
