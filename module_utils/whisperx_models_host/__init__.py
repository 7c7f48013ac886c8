"""Target: the store of models on a host: what is there, what is to change, and the change."""
