package cmd

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestHealth: the exit code is what others act upon, the error what people read.
func TestHealth(t *testing.T) {
	t.Parallel()
	newSite(t, "").call(call{"health", exitUsage, "", "telemetry.listen is not set"})
	process := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"ok":false,"status":"stopping"}`))
		}
	}))
	defer process.Close()
	s := newSite(t, "telemetry: {listen: '"+process.Listener.Addr().String()+"'}")
	if out := s.call(call{"health", exitDone, "", ""}); len(out) > 0 {
		t.Errorf("it prints %q", out)
	}
	s.call(call{"health --ready", exitFailed, "", "/readyz answers 503 Service Unavailable: stopping\n"})
	process.Close()
	s.call(call{"health", exitFailed, "", "connection refused"})
}
