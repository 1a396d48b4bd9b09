"""The pages of docs/reference that are made from the code, and the test that they are what the code says now."""
