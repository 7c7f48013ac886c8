"""Target: what a removal takes beside the releases, and what it leaves, whatever the runtime."""
