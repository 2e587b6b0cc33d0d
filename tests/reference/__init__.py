"""The core's twin in NumPy: float64, unhurried, written from the formulas alone.

Every registry is a dict keyed by the public name; a name of the library without a twin here
fails the suite by name (test_registries.py). Nothing in this package imports descend.
"""
