"""What became of a file since it was signed: which revision a signature saw, and what came after it."""
