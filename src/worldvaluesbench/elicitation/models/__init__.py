"""Models that ship: endpoints that speak the OpenAI API, and weights that run here."""
