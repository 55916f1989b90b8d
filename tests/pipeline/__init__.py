"""Tests of how rows move."""
