"""Both sides: build a container image from a plan and its lock, as reproducible layers."""
