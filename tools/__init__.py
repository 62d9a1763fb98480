"""Programs for those who work on the project: setting up, checking, breaking on purpose."""
