"""What one greedy, dead or slow agency costs the others."""
