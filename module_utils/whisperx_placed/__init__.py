"""Target: how the programs of a release find the models that are placed on its host."""
