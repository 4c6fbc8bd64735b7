package config

// Sample is a commented config file to begin with: the local backend and one protocol.
func Sample() string { return "" }
