"""Three gateways on one PostgreSQL behind nginx, a network namespace each, and what is done to them under load."""
