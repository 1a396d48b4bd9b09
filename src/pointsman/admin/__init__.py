"""Everything that opens the database or the vault: the store, the sealed keys, and the control plane that serves them."""
