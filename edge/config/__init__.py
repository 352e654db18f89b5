"""One schema; readers for TOML, environment and flags. Every error names file, line, option."""
