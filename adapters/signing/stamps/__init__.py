"""Time-stamps over heads of the log (RFC 3161): asked for over HTTP, and verified before they are kept."""
