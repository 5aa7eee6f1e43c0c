"""What everything rests on: files, memory, and errors that nobody foresaw."""
