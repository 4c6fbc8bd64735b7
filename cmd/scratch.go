package cmd

import (
	"crypto/x509"
	"os"
	"sync"
	_ "time/tzdata" // time zones, for TZ

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/seed-56345083/reprise/internal/config"
)

// In an image made of nothing but the program there are no files to look certificates and time zones up in. Where a machine
// has its own, those are used: the program's are as old as its release.

// trust makes the program know the certificates of authorities that Mozilla trusts, where it will speak to somebody by TLS. To
// read them takes longer than most commands of the local backend. Go takes such roots once in a process.
var trust = sync.OnceFunc(func() {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		c, err := x509.ParseCertificate(root.Certificate)
		switch {
		case err != nil: // it is for other programs, then
		case root.Constraint == nil:
			pool.AddCert(c)
		default:
			pool.AddCertWithConstraint(c, root.Constraint)
		}
	}
	x509.SetFallbackRoots(pool)
})

// speaksTLS reports whether a process with this configuration may speak to anybody by TLS: to AWS, or to a collector of traces.
func speaksTLS(c config.Config) bool {
	return c.Backend != config.BackendLocal || c.Telemetry.OTLP != "" ||
		os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")+os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}
