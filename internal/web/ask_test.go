package web_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/telemetry"
	"github.com/seed-56345083/reprise/internal/web"
)

// TestAsk asks a process in every state that it goes through, as an orchestrator does.
func TestAsk(t *testing.T) {
	t.Parallel()
	health := telemetry.NewHealth()
	listen := serve(t, health)
	pulse := health.Pulse("worker", time.Hour)
	health.Need("queue", "has not answered yet")
	expect := func(page, want string) {
		t.Helper()
		for _, address := range []string{listen, strings.TrimPrefix(listen, "127.0.0.1"), "0.0.0.0" + strings.TrimPrefix(listen, "127.0.0.1")} {
			err := web.Ask(t.Context(), address, page)
			for errors.Is(err, context.DeadlineExceeded) && t.Context().Err() == nil { // two seconds were too few for this machine
				err = web.Ask(t.Context(), address, page)
			}
			switch {
			case want == "" && err != nil:
				t.Errorf("%s at %s: %v", page, address, err)
			case want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)):
				t.Errorf("%s at %s: %v, want an error that ends in %q", page, address, err, want)
			}
		}
	}
	expect(web.Healthz, "")
	expect(web.Readyz, "503 Service Unavailable: beginning; queue has not answered yet; worker has not begun yet")
	pulse.Beat()
	health.Answered("queue")
	expect(web.Readyz, "")
	expect("/nothing", "404 Not Found")
	health.Pulse("watcher", -time.Second)
	expect(web.Healthz, "503 Service Unavailable: a loop stands still; watcher has not got on for 0s")
	health.Drain()
	expect(web.Healthz, "")
	expect(web.Readyz, "503 Service Unavailable: stopping")
}

// serve serves health, until the test ends, and returns the address.
func serve(t *testing.T, health *telemetry.Health) string {
	t.Helper()
	server, err := web.Open(web.Options{Listen: "127.0.0.1:0", Metrics: http.NotFoundHandler(), Health: health, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { server.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return server.Addr()
}

// TestAskNobody: a process that does not answer is as bad as none, and is not waited for.
func TestAskNobody(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := silent.Addr().String()
	if err := web.Ask(t.Context(), address, web.Healthz); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent process: %v", err)
	}
	if err := silent.Close(); err != nil {
		t.Fatal(err)
	}
	if err := web.Ask(t.Context(), address, web.Healthz); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("no process: %v", err)
	}
	if err := web.Ask(t.Context(), "9464", web.Healthz); err == nil {
		t.Error("an address without a host is asked")
	}
}
