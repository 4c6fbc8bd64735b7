package config

import "errors"

type source struct{}

// Load reads the file at path, lets the REPRISE_… variables of env (as os.Environ gives them) win over it, then the
// overrides, in their order, and validates the result. An empty path is that of REPRISE_CONFIG, or FileName in the
// working folder. Whatever is wrong with the file or the variables is Errors.
func Load(path string, env []string, overrides ...func(*Config)) (Config, error) {
	return Config{}, errors.ErrUnsupported
}

// Validate checks each key and what holds between them, also that each protocol compiles. The error is Errors, each
// with the key, its place and what to do.
func (c Config) Validate() error { return nil }
