"""The parts of tools/refresh_catalogue.py: index client, remote wheels, the written files, their drift."""
