package config

import _ "embed"

//go:embed sample.yaml
var sample string

// Sample is a commented config file to begin with: the local backend and one protocol, Zeek's DNS log as JSON. It
// loads as it is.
func Sample() string { return sample }
