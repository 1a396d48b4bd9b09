"""Tests of pointsman.gateway: the data plane in one event loop, without a control plane, over real sockets."""
