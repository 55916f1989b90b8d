"""Hostile input for all that reads: readers, headers, class maps, flags, `load`.

`test_fuzz.py` runs each target for moments, the same every day; `python -m tests.fuzz
MINUTES` runs them for as long as you say, with inputs that are new every time.
"""
