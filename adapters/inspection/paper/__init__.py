"""What a file holds: its structure, what it holds besides paper, what its pages draw, and what waits to be shown."""
