"""Controller: what a run found and did on every host, as one record and one page."""
