"""Target: why does this environment not work? Read the files, run it in a child, name the failure that is
known.

Runs also from a checkout as ``python3 -m module_utils.whisperx_doctor``; standard library only, Python 3.8.
The knowledge is not here: it comes as data, made from roles/whisperx_plan/files/catalogue.
"""
