"""The parts of tools/refresh_catalogue.py: index client, wheel reader, measurements, the written files."""
