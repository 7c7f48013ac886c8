"""Target: probes that run inside an installed environment, and the runner that starts them."""
