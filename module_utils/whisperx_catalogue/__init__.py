"""Controller: the knowledge about versions, as typed rows, and their checked reading."""
