"""Who takes part: parties and clients from files."""
