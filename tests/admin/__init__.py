"""Tests of pointsman.admin: the store, the vault, the control plane."""
