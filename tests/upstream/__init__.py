"""Tests of pointsman.upstream: real sockets, real TLS, backends that behave badly."""
