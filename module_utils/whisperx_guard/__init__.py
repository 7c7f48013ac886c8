"""Asks, before packages are replaced that a managed environment stands on, whether it would still work."""
