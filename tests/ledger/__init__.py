"""What is counted: the metrics' declaration and text."""
