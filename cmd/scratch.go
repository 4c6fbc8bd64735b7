package cmd

// In an image made of nothing but the program there are no files to look these up in. Where a machine has its own, those are
// used: the program's are as old as its release.
import (
	_ "time/tzdata" // time zones, for TZ

	_ "golang.org/x/crypto/x509roots/fallback" // certificates of authorities, for TLS: those that Mozilla trusts
)
