"""How far apart: answers against the people they speak for. Works from files and never imports a model."""
