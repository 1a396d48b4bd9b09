"""What looks like a credential, what stands in its place, and how it comes back."""
