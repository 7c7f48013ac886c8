"""Target: the container runtime on a host: the image in use, the commands that run it, proof and record."""
