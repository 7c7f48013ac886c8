"""Target: releases of the managed environment, the switch between them, and what they are made of."""
