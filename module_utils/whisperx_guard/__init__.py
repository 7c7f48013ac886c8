"""Target: would a managed environment still work after packages that it stands on are replaced?"""
