"""A run as a folder of TOML and JSON lines that another machine takes over without loss."""
