"""What deploy/ has, read and run as far as it goes without an engine for containers and without a cluster."""
