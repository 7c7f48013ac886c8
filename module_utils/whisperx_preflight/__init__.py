"""Controller: what is validated before a playbook contacts any host."""
