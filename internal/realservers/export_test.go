package realservers

// Addresses returns where the servers that run listen, by their names.
func Addresses() map[string]string {
	addresses := map[string]string{}
	for _, s := range all {
		if s.proc != nil {
			addresses[s.name] = s.base
		}
	}
	return addresses
}
