"""Target: what stays on a golden image and runs at its boot: is this machine what the image was baked for?

Runs without Ansible; standard library only, Python 3.8. ``main.main()`` is the door, ``fit.py`` decides,
``enact.py`` is the only file that changes the machine. ``sources.py`` puts all of it on an image.
"""
