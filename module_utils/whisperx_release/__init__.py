"""Target: the one engine of releases, whatever runtime they are made for."""
