"""The collection ``whisperx.fleet`` of a checkout: names that resolve anywhere, layout, archive."""
