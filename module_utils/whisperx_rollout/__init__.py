"""Controller: in which order the hosts of a fleet change, and when no more of them may."""
