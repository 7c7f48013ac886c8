"""Build a container image from a plan and its lock: the same release as on a host, in reproducible layers."""
