package config

// Show renders the configuration with all defaults filled in, as YAML that
// Load reads as the same Config. Secrets appear as the references that they
// are. Built-in services appear as far as they were changed.
func (c *Config) Show() string { return render(schema().show(*c)) }
