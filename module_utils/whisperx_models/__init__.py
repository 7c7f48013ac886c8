"""Controller: models: what is asked for, where it comes from, its lock, and what a host gets of it."""
