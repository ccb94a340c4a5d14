"""What will be predicted: datasets, their splits, probe sets and exports."""
