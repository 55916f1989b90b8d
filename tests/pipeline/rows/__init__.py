"""Tests of `pipeline/rows`."""
