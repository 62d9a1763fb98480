"""edXML as several producers write it; ``producers.py`` makes the files beside it."""
