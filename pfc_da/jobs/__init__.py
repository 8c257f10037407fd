"""Work of a run: its cost estimated beforehand, done by processes that end with their parent, its progress shown."""
