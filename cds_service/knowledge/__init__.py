"""Clinical content as versioned data: its files, their shape, loading, checks and site overlay."""
