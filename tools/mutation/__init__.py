"""Mutation: change the program at random in one place and see whether its unit and contract tests notice.

Each change is tried with the package's own unit tests first, then with all other unit and contract tests that
import the changed file. Numbers that only tune (waits, block sizes, timeouts) are left alone, and so are
messages, docstrings and annotations.
"""
