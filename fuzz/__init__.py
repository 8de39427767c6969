"""Fuzzing: bytes nobody meant, shown to the codec and to whole sessions; see fuzz/README.md."""
