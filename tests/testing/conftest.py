"""Tests of a pytest plugin need pytest inside pytest."""

pytest_plugins = ["pytester"]
