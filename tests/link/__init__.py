"""Tests of pointsman.link: client and server over real Unix sockets."""
