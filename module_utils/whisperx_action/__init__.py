"""Controller: what action plugins do alike in Ansible's own process; only they import it.

In the collection it lies below plugins/plugin_utils, as what imports ansible itself has to.
"""
