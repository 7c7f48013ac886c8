"""The collection ``whisperx.fleet``, made of a checkout: names by which anybody's playbook finds things, layout, archive."""
