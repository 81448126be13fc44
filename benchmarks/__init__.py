"""What Hanse costs beside the engine; see README.md in this folder."""
