"""Files: written aside and renamed, read with checks; the run folder and what is in it."""
