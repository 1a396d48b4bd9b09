"""Tests of pointsman.jsonschema: schemas rewritten for a target."""
