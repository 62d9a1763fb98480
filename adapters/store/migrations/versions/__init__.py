"""One file per migration; its name begins with its number."""
