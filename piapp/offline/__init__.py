"""Work on files and recordings, after the fact."""
