"""One try of one target: the request's bytes out, its answer judged, and delivered or given up."""
