"""Baselines that are fitted on people: what other people's responses say about a person, written as a run."""
