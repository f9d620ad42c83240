"""Pages about people: signing in, passwords, one's profile, everybody's access, keys."""
