"""Both sides: what every package needs: files, processes, the lock file's text, wording."""
