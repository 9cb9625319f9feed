package config

import "errors"

// Load reads the file at path and the conf.d beside it. The error is of type
// Errors when the configuration itself is at fault.
func Load(path string) (*Config, []Warning, error) {
	return nil, nil, errors.New("load config: the reader lands with the next commit")
}

// LoadBytes reads a single configuration from memory; name stands for the
// file in findings. No permissions are looked at.
func LoadBytes(name string, data []byte) (*Config, []Warning, error) {
	return nil, nil, errors.New("load config: the reader lands with the next commit")
}
