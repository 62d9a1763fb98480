"""The in-memory twin of every port: what the pipeline runs on in tests and in simulation."""
