"""Tests of pointsman.conversation: one definition of usage for every protocol."""
