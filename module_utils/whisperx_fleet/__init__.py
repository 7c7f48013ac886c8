"""Controller: what the hosts of a play have in their variables, for the action plugins that join it."""
