"""The whole job in one call: a results folder, its probe set, runs, scores and report."""
