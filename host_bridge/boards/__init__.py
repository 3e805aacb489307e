"""Boards: what their files may say, what their chips can do, and how they are wired."""
