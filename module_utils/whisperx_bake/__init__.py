"""Target: baking a root into an image: what it is for, and what must not stay in it.

Runs on the root that is baked; standard library only, Python 3.8. Nothing here asks the machine below (its
kernel, GPU or processor): an image is planned for the machine that is declared.
"""
