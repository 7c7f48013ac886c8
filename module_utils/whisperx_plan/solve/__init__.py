"""Controller: the newest set of releases for a host: candidates, dependencies, resolver, interpreters."""
