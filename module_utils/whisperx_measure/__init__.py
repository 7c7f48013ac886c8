"""Controller: what a wheel asks for and brings, read from its files: METADATA, ELF headers, device code."""
