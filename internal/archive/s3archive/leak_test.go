package s3archive_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/s3archive"
	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/realservers"
)

// gauge counts what is open, and wakes who waits for a count.
type gauge struct {
	mu     sync.Mutex
	n, max int
	total  int
	moved  chan struct{}
}

func newGauge() *gauge { return &gauge{moved: make(chan struct{})} }

func (g *gauge) add(d int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n += d
	g.total += max(0, d)
	g.max = max(g.max, g.n)
	close(g.moved)
	g.moved = make(chan struct{})
}

// await waits until at most n are open.
func (g *gauge) await(t *testing.T, what string, n int) {
	t.Helper()
	for {
		g.mu.Lock()
		have, moved := g.n, g.moved
		g.mu.Unlock()
		if have <= n {
			return
		}
		select {
		case <-moved:
		case <-time.After(time.Minute):
			t.Fatalf("%d %s are left, want %d", have, what, n)
		}
	}
}

// counted is a connection that tells the gauge of its end.
type counted struct {
	net.Conn
	end func()
}

func (c *counted) Close() error {
	c.end()
	return c.Conn.Close()
}

// watched is a context that counts who waits for its end. It hides that it is one of the context package's own, which
// would otherwise keep those who wait to itself.
type watched struct {
	context.Context
	waiting *gauge
}

func (watched) Value(any) any { return nil }

func (w watched) AfterFunc(f func()) func() bool {
	w.waiting.add(1)
	stop := context.AfterFunc(w.Context, f)
	return sync.OnceValue(func() bool {
		w.waiting.add(-1)
		return stop()
	})
}

// counting returns the bucket's archive over connections that are counted.
func (s *store) counting(t *testing.T, url string) (*s3archive.Archive, *gauge) {
	t.Helper()
	conns := newGauge()
	transport := &http.Transport{
		MaxIdleConnsPerHost: 100,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			conns.add(1)
			return &counted{Conn: c, end: sync.OnceFunc(func() { conns.add(-1) })}, nil
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	config := realservers.Config(t)
	config.HTTPClient = &http.Client{Transport: transport}
	a := s.through(t, s3archive.Client(awsapi.Prepare(config), url))
	return a, conns
}

// A body that is closed early gives its connection up and leaves nothing that waits for the caller's context.
func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	url := realservers.S3(t)
	s := newStore(t, url)
	s.Put(t, "dns/large", noise(8<<20))
	a, conns := s.counting(t, url)
	ctx := watched{t.Context(), newGauge()}
	var bodies []io.ReadCloser
	for range 20 {
		body, err := a.Open(ctx, archive.OpenParams{Key: "dns/large"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(body, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	if conns.max < 20 || ctx.waiting.max < 20 {
		t.Fatalf("%d connections, %d waiting for the context: nothing is counted", conns.max, ctx.waiting.max)
	}
	for _, body := range bodies {
		if err := body.Close(); err != nil {
			t.Error(err)
		}
		if n, err := body.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("%d bytes after Close, %v", n, err)
		}
	}
	conns.await(t, "connections", 0)
	ctx.waiting.await(t, "functions", 0)
	for range 3 { // a listing that is given up in its first page
		for _, err := range a.List(ctx, "", "") {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	ctx.waiting.await(t, "functions", 0)
	conns.await(t, "connections", 1)
}

// One reader after another takes one connection, whether it reads to the end, all but the end, or nothing of it.
func TestConnectionServesAgain(t *testing.T) {
	t.Parallel()
	url := realservers.S3(t)
	s := newStore(t, url)
	s.Put(t, "dns/small", noise(20<<10))
	s.Put(t, "dns/empty", nil)
	a, conns := s.counting(t, url)
	ctx := watched{t.Context(), newGauge()}
	for i := range 40 {
		for _, key := range []string{"dns/small", "dns/empty"} {
			body, err := a.Open(ctx, archive.OpenParams{Key: key})
			if err != nil {
				t.Fatal(err)
			}
			switch i % 3 {
			case 0:
				_, err = io.Copy(io.Discard, body)
			case 1:
				_, err = io.CopyN(io.Discard, body, 10)
			}
			if err != nil && key == "dns/small" {
				t.Fatal(err)
			}
			if err := body.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.Open(ctx, archive.OpenParams{Key: "dns/none"}); err == nil {
			t.Fatal("an object that is not there was opened")
		}
	}
	ctx.waiting.await(t, "functions", 0)
	if conns.total > 40 { // a drain that takes longer than its time costs a connection
		t.Errorf("%d connections for 120 objects", conns.total)
	}
	t.Logf("%d connections for 120 objects", conns.total)
}
