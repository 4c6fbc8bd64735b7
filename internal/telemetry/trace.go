package telemetry

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
)

// What is kept of spans while nobody takes them. Whatever is more is dropped: a collector that is down costs traces, never work.
const (
	spanQueue     = 2048
	spanBatch     = 512
	exportTimeout = 10 * time.Second // of one batch with all its tries
	requestTime   = 5 * time.Second  // of one try
	flushTimeout  = 3 * time.Second  // for what is left when the process ends
)

// TracerOptions say where traces go, and whose they are.
type TracerOptions struct {
	Endpoint string // base URL of a collector, to which /v1/traces is added; "": as the variables of OpenTelemetry say
	Service  string // the name of the program
	Version  string // its version
	Process  string // unique among processes
	Log      *zap.Logger
}

// Tracer makes the spans of a process and sends them to a collector. Its methods may be called by any number of goroutines, and on
// nil, which makes none and costs nothing.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	parent   propagation.TraceContext
}

// NewTracer makes a tracer; nothing is sent before there are spans. Sampling, headers and other limits are those of OpenTelemetry's own
// variables (OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, …).
func NewTracer(ctx context.Context, o TracerOptions) (*Tracer, error) {
	options := []otlptracehttp.Option{
		otlptracehttp.WithTimeout(requestTime),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: 500 * time.Millisecond, MaxInterval: 3 * time.Second, MaxElapsedTime: exportTimeout,
		}),
	}
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil {
			return nil, fmt.Errorf("reading the URL of the collector: %w", err)
		}
		options = append(options, otlptracehttp.WithEndpointURL(strings.TrimSuffix(u.String(), "/")+"/v1/traces"))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("opening the way to the collector: %w", err)
	}
	// The one thing that the library keeps for the whole process: without it, it would write lines that are no JSON between those of the log.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Log.Info("sending traces", zap.Error(err)) }))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter, sdktrace.WithMaxQueueSize(spanQueue), sdktrace.WithMaxExportBatchSize(spanBatch), sdktrace.WithExportTimeout(exportTimeout)),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", o.Service), attribute.String("service.version", o.Version), attribute.String("service.instance.id", o.Process),
		)),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer("github.com/seed-56345083/reprise")}, nil
}

// Close sends what is left, for three seconds at most.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		otel.Handle(err)
	}
}

// The kinds of a span: whose other end is in another process, and which end it is.
const (
	SpanInside  = trace.SpanKindInternal
	SpanSends   = trace.SpanKindProducer
	SpanTakes   = trace.SpanKindConsumer
	traceHeader = "traceparent"
)

// Span is something that takes a while. The zero value is of nobody, and every method of it does nothing.
type Span struct{ span trace.Span }

// Start begins a span below that of ctx.
func (t *Tracer) Start(ctx context.Context, name string, kind trace.SpanKind) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(kind))
	return ctx, Span{span}
}

// Continue begins a span below one that another process has begun, which Trace has named; "", or what is none, begins a new trace.
func (t *Tracer) Continue(ctx context.Context, parent, name string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	return t.Start(t.parent.Extract(ctx, propagation.MapCarrier{traceHeader: parent}), name, SpanTakes)
}

// Trace names the span of ctx, as W3C's traceparent; "": there is none.
func (t *Tracer) Trace(ctx context.Context) string {
	if t == nil {
		return ""
	}
	carrier := propagation.MapCarrier{}
	t.parent.Inject(ctx, carrier)
	return carrier[traceHeader]
}

// Rename gives the span a better name than it was begun with.
func (s Span) Rename(name string) {
	if s.span != nil {
		s.span.SetName(name)
	}
}

// Text sets an attribute.
func (s Span) Text(key, value string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// Number sets an attribute.
func (s Span) Number(key string, value int64) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int64(key, value))
	}
}

// End ends the span, as failed where there is an error.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, err.Error())
	}
	s.span.End()
}
