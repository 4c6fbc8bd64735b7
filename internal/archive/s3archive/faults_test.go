package s3archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/s3archive"
	"github.com/seed-56345083/reprise/internal/realservers"
)

// faulty is the same bucket behind a proxy that spoils requests.
func (s *store) faulty(t *testing.T, url string, f realservers.Faults, l s3archive.Limits) *s3archive.Archive {
	t.Helper()
	a := s.through(t, client(t, realservers.Faulty(t, url, f)))
	a.SetLimits(l)
	return a
}

// patient gives a loaded machine time; pauses cost nothing.
var patient = s3archive.Limits{Call: 2 * time.Minute, Pages: 2 * time.Minute, Pause: time.Millisecond}

func noise(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

func isGet(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "dns/")
}

// Whatever breaks, a body holds every byte once.
func TestBodyOverFaults(t *testing.T) {
	t.Parallel()
	url := realservers.S3(t)
	s := newStore(t, url)
	data := noise(3 << 20)
	s.Put(t, "dns/a", data)
	o, err := s.Stat(t.Context(), "dns/a")
	if err != nil {
		t.Fatal(err)
	}
	var cuts atomic.Int64
	a := s.faulty(t, url, realservers.Faults{
		Cut: .6, Reset: .02, LoseReply: .02, Status500: .02, Throttle: .02, Only: isGet,
		Hit: func(fault string, _ *http.Request) {
			if fault == "Cut" {
				cuts.Add(1)
			}
		},
	}, patient)
	for range 8 {
		for _, p := range []archive.OpenParams{{Key: "dns/a"}, {Key: "dns/a", ETag: o.ETag, Offset: 1}, {Key: "dns/a", Offset: 2 << 20}} {
			body, err := a.Open(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			if err != nil || !bytes.Equal(got, data[p.Offset:]) {
				t.Errorf("%+v: %d bytes of %d, %v", p, len(got), len(data)-int(p.Offset), err)
			}
			if err := body.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if cuts.Load() < 5 {
		t.Errorf("only %d connections were cut", cuts.Load())
	}
}

func TestLinesOverFaults(t *testing.T) {
	t.Parallel()
	url := realservers.S3(t)
	s := newStore(t, url)
	var want []string
	var packed bytes.Buffer
	for member := range 20 {
		w := gzip.NewWriter(&packed)
		for i := range 500 {
			line := fmt.Sprintf(`{"member":%d,"line":%d,"noise":"%x"}`, member, i, noise(64 + member)[i%60:])
			want = append(want, line)
			_, _ = io.WriteString(w, line+"\n")
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s.Put(t, "dns/a.gz", packed.Bytes())
	a := s.faulty(t, url, realservers.Faults{Cut: .7, Reset: .05, Throttle: .05, Only: isGet}, patient)
	o, err := a.Stat(t.Context(), "dns/a.gz")
	if err != nil {
		t.Fatal(err)
	}
	l, err := archive.OpenLines(t.Context(), a, archive.LinesParams{Key: o.Key, ETag: o.ETag, Size: o.Size})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var got []string
	for {
		line, err := l.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(line.Bytes))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
}

// Listing, looking and tagging over the same.
func TestCallsOverFaults(t *testing.T) {
	t.Parallel()
	url := realservers.S3(t)
	s := newStore(t, url)
	var keys []string
	for i := range 10 {
		keys = append(keys, fmt.Sprintf("dns/%02d", i))
		s.Put(t, keys[i], nil)
	}
	a := s.faulty(t, url, realservers.Faults{Cut: .1, Reset: .05, LoseReply: .05, Status500: .05, Throttle: .05}, patient)
	var got []string
	for o, err := range a.List(t.Context(), "dns/", "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Key)
		if err := a.MergeTags(t.Context(), o.Key, map[string]string{"REPLAY": "PENDING"}, nil); err != nil {
			t.Error(err)
		}
		if tags, err := a.Tags(t.Context(), o.Key); err != nil || len(tags) != 1 || tags["REPLAY"] != "PENDING" {
			t.Errorf("%s: tags %v, %v", o.Key, tags, err)
		}
		if _, err := a.Stat(t.Context(), o.Key); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(got, keys) {
		t.Errorf("listed %q, want %q", got, keys)
	}
}

// An object that changes while its connection is cut: the body ends, with bytes of the first version only.
func TestChangedBehindACut(t *testing.T) {
	t.Parallel()
	url := realservers.S3(t)
	s := newStore(t, url)
	const size = 1 << 20
	for name, tt := range map[string]struct {
		change func(key string)
		want   error
	}{
		"overwritten": {func(key string) { s.Put(t, key, bytes.Repeat([]byte("2"), size)) }, archive.ErrChanged},
		"shortened":   {func(key string) { s.Put(t, key, []byte("2")) }, archive.ErrChanged},
		"deleted":     {func(key string) { s.Delete(t, key) }, archive.ErrNotFound},
	} {
		for _, pinned := range []bool{true, false} {
			key := fmt.Sprintf("dns/%s/%t", name, pinned)
			s.Put(t, key, bytes.Repeat([]byte("1"), size))
			p := archive.OpenParams{Key: key, Offset: 1}
			if pinned {
				o, err := s.Stat(t.Context(), key)
				if err != nil {
					t.Fatal(err)
				}
				p.ETag = o.ETag
			}
			a := s.through(t, client(t, cutOnce(t, url, size/2)))
			a.SetLimits(patient)
			body, err := a.Open(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			tt.change(key)
			got, err := io.ReadAll(body)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), key) || !bytes.Equal(got, bytes.Repeat([]byte("1"), size/2)) {
				t.Errorf("%s: %d bytes, %v, want %v after %d", key, len(got), err, tt.want, size/2)
			}
			_ = body.Close()
		}
	}
}

// proxy passes requests on and gives answers to spoil, which knows the how-manieth it is, from 1.
func proxy(t *testing.T, base string, spoil func(n int64, r *http.Response)) string {
	t.Helper()
	target, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	transport := &http.Transport{DisableCompression: true}
	server := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Transport:      transport,
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ModifyResponse: func(r *http.Response) error { spoil(n.Add(1), r); return nil },
		FlushInterval:  -1,
		ErrorLog:       log.New(io.Discard, "", 0),
	})
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		transport.CloseIdleConnections()
	})
	return server.URL
}

// spoiled is a body of which the first bytes come, and then what end says.
type spoiled struct {
	io.Reader
	io.Closer
	end func() error
}

func (b *spoiled) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil {
		err = b.end()
	}
	return n, err
}

// cutOnce breaks the first answer off after so many bytes.
func cutOnce(t *testing.T, base string, after int64) string {
	t.Helper()
	return proxy(t, base, func(n int64, r *http.Response) {
		if n == 1 {
			r.Body = &spoiled{io.LimitReader(r.Body, after), r.Body, func() error { return io.ErrUnexpectedEOF }}
		}
	})
}

// stalling holds answers back after so many bytes, as long as the client stays.
func stalling(t *testing.T, base string, after int64, which func(n int64) bool) string {
	t.Helper()
	return proxy(t, base, func(n int64, r *http.Response) {
		if which(n) {
			gone := r.Request.Context().Done()
			r.Body = &spoiled{io.LimitReader(r.Body, after), r.Body, func() error { <-gone; return io.ErrUnexpectedEOF }}
		}
	})
}

// A server that answers with other bytes than those asked for must not be believed.
func TestWrongRange(t *testing.T) {
	t.Parallel()
	base := realservers.S3(t)
	s := newStore(t, base)
	s.Put(t, "dns/a", []byte("0123456789"))
	for _, wrong := range []string{"", "bytes 4-9/10", "bytes 5-9/11", "bytes 5-8/10", "bytes 5-9/*", "bytes 0-4/5", "5-9"} {
		a := s.through(t, client(t, proxy(t, base, func(_ int64, r *http.Response) { r.Header.Set("Content-Range", wrong) })))
		_, err := a.Open(t.Context(), archive.OpenParams{Key: "dns/a", Offset: 5})
		if err == nil || !strings.Contains(err.Error(), "from byte 5 on") || !strings.Contains(err.Error(), "dns/a") {
			t.Errorf("range %q: %v", wrong, err)
		}
	}
	chunked := s.through(t, client(t, proxy(t, base, func(_ int64, r *http.Response) {
		r.ContentLength = -1
		r.Header.Del("Content-Length")
	})))
	for _, offset := range []int64{0, 5} {
		if _, err := chunked.Open(t.Context(), archive.OpenParams{Key: "dns/a", Offset: offset}); err == nil || !strings.Contains(err.Error(), "how long") {
			t.Errorf("an answer without a length: %v", err)
		}
	}
}

func TestStall(t *testing.T) {
	t.Parallel()
	url := realservers.S3(t)
	s := newStore(t, url)
	data := noise(1 << 20)
	s.Put(t, "dns/a", data)
	a := s.through(t, client(t, stalling(t, url, 1000, func(n int64) bool { return n == 1 })))
	a.SetLimits(s3archive.Limits{Call: patient.Call, Pause: patient.Pause, Stall: time.Second})
	body, err := a.Open(t.Context(), archive.OpenParams{Key: "dns/a"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes of %d, %v", len(got), len(data), err)
	}
}

// A server that never again gives a byte: the body ends with an error that is not the caller's.
func TestStallForGood(t *testing.T) {
	t.Parallel()
	url := realservers.S3(t)
	s := newStore(t, url)
	s.Put(t, "dns/a", noise(1<<20))
	a := s.through(t, client(t, stalling(t, url, 0, func(int64) bool { return true })))
	a.SetLimits(s3archive.Limits{Call: patient.Call, Pause: patient.Pause, Stall: 50 * time.Millisecond})
	body, err := a.Open(t.Context(), archive.OpenParams{Key: "dns/a", Offset: 7})
	if err != nil {
		t.Fatal(err)
	}
	n, err := body.Read(make([]byte, 10))
	if n != 0 || err == nil || !strings.Contains(err.Error(), "no byte within 50ms") || !strings.Contains(err.Error(), "byte 7 of s3://"+s.bucket+"/dns/a") {
		t.Errorf("%d bytes, %v", n, err)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v looks like the end of the caller's context", err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	a.SetLimits(s3archive.Limits{Stall: time.Hour})
	if body, err = a.Open(ctx, archive.OpenParams{Key: "dns/a"}); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := io.ReadAll(body); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while waiting for a byte: %v", err)
	}
	_ = body.Close()
}

// everything makes each call once, all at the same time, and returns how they ended.
func everything(ctx context.Context, a *s3archive.Archive) map[string]error {
	errs := map[string]error{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for what, call := range map[string]func() error{
		"Stat":      func() error { _, err := a.Stat(ctx, "dns/a"); return err },
		"Tags":      func() error { _, err := a.Tags(ctx, "dns/a"); return err },
		"MergeTags": func() error { return a.MergeTags(ctx, "dns/a", map[string]string{"k": "v"}, nil) },
		"Create":    func() error { return a.Create(ctx, "dns/a", []byte("new")) },
		"Open": func() error {
			body, err := a.Open(ctx, archive.OpenParams{Key: "dns/a"})
			if err == nil {
				_ = body.Close()
			}
			return err
		},
		"List": func() error {
			for _, err := range a.List(ctx, "dns/a", "") {
				if err != nil {
					return err
				}
			}
			return nil
		},
	} {
		wg.Go(func() {
			err := call()
			mu.Lock()
			defer mu.Unlock()
			errs[what] = err
		})
	}
	wg.Wait()
	return errs
}

// No call waits for ever, and its end is not the end of the caller's context.
func TestNeverAnswers(t *testing.T) {
	t.Parallel()
	url := realservers.S3(t)
	s := newStore(t, url)
	a := s.faulty(t, url, realservers.Faults{Hang: 1}, s3archive.Limits{Call: 100 * time.Millisecond, Page: time.Second, Pages: 100 * time.Millisecond})
	for what, err := range everything(t.Context(), a) {
		if err == nil || !strings.Contains(err.Error(), "no answer") || !strings.Contains(err.Error(), "s3://"+s.bucket+"/dns/a") {
			t.Errorf("%s: %v", what, err)
		}
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v looks like the end of the caller's context", what, err)
		}
	}
	if _, err := a.Check(t.Context(), s3archive.CheckParams{}); err == nil {
		t.Error("Check says nothing")
	}
}

func TestSlowDown(t *testing.T) {
	t.Parallel()
	url := realservers.S3(t)
	s := newStore(t, url)
	s.Put(t, "dns/a", []byte("one"))
	short := s3archive.Limits{Call: 8 * time.Second, Pages: 8 * time.Second} // enough for one answer
	a := s.faulty(t, url, realservers.Faults{Throttle: 1}, short)
	for what, err := range everything(t.Context(), a) {
		if !errors.Is(err, archive.ErrThrottled) || !strings.Contains(err.Error(), "s3://"+s.bucket+"/dns/a") {
			t.Errorf("%s: %v, want ErrThrottled", what, err)
		}
	}
	if tags, err := s.Tags(t.Context(), "dns/a"); err != nil || len(tags) != 0 {
		t.Errorf("a throttled MergeTags has written %v, %v", tags, err)
	}
}
