"""Tests of `pipeline/dataset`."""
