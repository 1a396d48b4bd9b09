"""The migrations, one file each, numbered. Never changed once released."""
