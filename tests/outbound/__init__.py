"""Ways out of the gateway: proxies, authorities of certificates, Unix sockets."""
