"""Fuzz targets for what reads bytes of strangers. A slice in `make test`, as many inputs as you like by `make fuzz`."""
