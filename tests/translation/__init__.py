"""Tests of pointsman.translation: requests fitted, histories healed, parts in order, stops, estimates."""
