"""The site's store of wheels on the controller: filled from the locks, served to hosts, made a bundle."""
