"""How a model is asked and read: personas, prompts, plans, runs."""
