"""Controller: one class of hosts in, one complete hash-pinned set of packages out."""
