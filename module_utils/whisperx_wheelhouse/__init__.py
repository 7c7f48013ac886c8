"""Controller: the site's store of wheels, filled from the locks, served to hosts, made a bundle."""
