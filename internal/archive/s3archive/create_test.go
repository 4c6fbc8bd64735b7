package s3archive_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/s3archive"
	"github.com/seed-56345083/reprise/internal/realservers"
)

// refusing answers the first requests to put something with a conflict, and passes the others on. No server here ever
// answers so: S3 does where two write one key at once.
func refusing(t *testing.T, base string, first int64) (string, *atomic.Int64) {
	t.Helper()
	target, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	var puts atomic.Int64
	transport := &http.Transport{DisableCompression: true}
	pass := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && puts.Add(1) <= first {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `<Error><Code>ConditionalRequestConflict</Code><Message>at the same time</Message></Error>`)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	return server.URL, &puts
}

func TestCreateConflict(t *testing.T) {
	t.Parallel()
	base := realservers.S3(t)
	s := newStore(t, base)
	url, puts := refusing(t, base, 3)
	err := s.through(t, client(t, url)).Create(t.Context(), "dns/a", []byte("one"))
	if late := puts.Load() > 4 && errors.Is(err, archive.ErrExists); !late && err != nil || puts.Load() < 4 { // late: the fourth was given up
		t.Errorf("%v after %d requests, want nil after 4", err, puts.Load())
	}
	url, _ = refusing(t, base, 1<<30)
	a := s.through(t, client(t, url))
	a.SetLimits(s3archive.Limits{Call: time.Second})
	err = a.Create(t.Context(), "dns/b", []byte("one"))
	if err == nil || errors.Is(err, archive.ErrExists) || !strings.Contains(err.Error(), "dns/b") {
		t.Errorf("conflicts without end: %v", err)
	}
}

// A reply that is lost, and one that is cut off: the object is there once, and the error does not say that it is not.
func TestCreateOverFaults(t *testing.T) {
	t.Parallel()
	url := realservers.S3(t)
	s := newStore(t, url)
	for name, f := range map[string]realservers.Faults{
		"reset": {Reset: 0.5}, "lost": {LoseReply: 0.5}, "cut": {Cut: 0.5}, "broken": {Status500: 0.5}, "throttled": {Throttle: 0.5},
	} {
		a := s.faulty(t, url, f, patient)
		for i := range 5 {
			key, data := "dns/"+name+string(rune('0'+i)), noise(100<<10+i)
			if err := a.Create(t.Context(), key, data); err != nil && !errors.Is(err, archive.ErrExists) {
				t.Errorf("%s: %v", key, err)
				continue
			}
			body, err := s.Open(t.Context(), archive.OpenParams{Key: key})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %d bytes of %d, %v", key, len(got), len(data), err)
			}
			_ = body.Close()
		}
	}
}
