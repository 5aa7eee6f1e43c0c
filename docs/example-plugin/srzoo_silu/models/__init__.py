"""Model folders: each beside this file is a released model of the folder's name."""
