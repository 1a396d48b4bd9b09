"""Tests of the practice model and of the scripted upstream."""
