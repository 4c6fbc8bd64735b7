package telemetry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/telemetry"
)

// TestCollectorNeverAnswers: spans that nobody takes are dropped, and nobody waits: the collector answers nothing before all of
// them have ended, many more than are kept.
func TestCollectorNeverAnswers(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-over
	}))
	defer collector.Close()
	defer close(over)
	tracer, err := telemetry.NewTracer(t.Context(), telemetry.TracerOptions{Endpoint: collector.URL, Service: "test", Log: zap.NewNop()})
	must(t, err)
	for range 20_000 {
		ctx, parent := tracer.Start(context.Background(), "parent", telemetry.SpanSends)
		_, child := tracer.Start(ctx, "child", telemetry.SpanInside)
		child.End(errors.New("x"))
		parent.End(nil)
	}
	tracer.Close() // gives up, or the test does not end
}

// TestTrace: a span is named as W3C says, and what continues it is of the same trace; what is no name of a span begins a new one.
func TestTrace(t *testing.T) {
	t.Parallel()
	collector := httptest.NewServer(http.NotFoundHandler())
	defer collector.Close()
	tracer, err := telemetry.NewTracer(t.Context(), telemetry.TracerOptions{Endpoint: collector.URL + "/", Service: "test", Log: zap.NewNop()})
	must(t, err)
	defer tracer.Close()
	ctx, span := tracer.Start(context.Background(), "a", telemetry.SpanSends)
	defer span.End(nil)
	name := tracer.Trace(ctx)
	parts := regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-01$`).FindStringSubmatch(name)
	if parts == nil {
		t.Fatalf("the span is named %q", name)
	}
	for parent, same := range map[string]bool{name: true, "": false, "00-x": false} {
		below, span := tracer.Continue(context.Background(), parent, "b")
		defer span.End(nil)
		if got := tracer.Trace(below); (len(got) == len(name) && got[3:35] == parts[1]) != same || got == name {
			t.Errorf("%q continues %q", got, parent)
		}
	}
	if got := tracer.Trace(context.Background()); got != "" {
		t.Errorf("a span where there is none: %q", got)
	}
}
