"""Controller: what the GPUs and the driver of a host can run, and what brings the libraries for it."""
