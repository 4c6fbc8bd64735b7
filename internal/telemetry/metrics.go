package telemetry

import (
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Namespace begins the name of every metric of ours.
const Namespace = "reprise"

// The labels. Each has few values: a protocol is one of the configured ones, everything else is a fixed word. Keys and replays are
// no labels, there is no end to them.
const (
	labelProtocol  = "protocol"
	labelOutcome   = "outcome"
	labelResult    = "result"
	labelVerdict   = "verdict"
	labelKind      = "kind"
	labelState     = "state"
	labelQueue     = "queue"
	labelLevel     = "level"
	labelService   = "service"
	labelOperation = "operation"
)

// Metrics is the registry of one process. What a role reports is in it from the moment when that role asks for its reporter. nil is
// a process that nobody watches.
type Metrics struct {
	registry *prometheus.Registry
	names    sync.Map // of ours, without the namespace: a vector that has no values yet is not gathered
	logged   *prometheus.CounterVec
	requests *prometheus.CounterVec
}

// The metrics of every process of which alarms are made.
const (
	logTotal      = "log_messages_total"
	requestsTotal = "aws_requests_total"
)

// New makes a registry with what every process has: Go's and the process's own metrics, the version, the lines of the log that
// tell of trouble, and the requests to AWS.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.gauges("build_info", "The version of the program and of Go, in labels; the value is 1.", "version", "go").
		WithLabelValues(version, runtime.Version()).Set(1)
	m.logged = m.counters(logTotal, "Lines of the log of level warn and above, whether they were written or not.", labelLevel)
	for _, level := range []zapcore.Level{zapcore.WarnLevel, zapcore.ErrorLevel} {
		m.logged.WithLabelValues(level.String())
	}
	m.requests = m.counters(requestsTotal, "Requests to AWS, each attempt for itself, and how they ended.",
		labelService, labelOperation, labelResult)
	return m
}

// Handler serves the metrics in the text format of Prometheus.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// CountLog returns a logger that counts the lines that tell of trouble, and writes what the one given writes.
func (m *Metrics) CountLog(log *zap.Logger) *zap.Logger {
	if m == nil {
		return log
	}
	return log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core { return countingCore{Core: c, logged: m.logged} }))
}

// countingCore counts what is to be written from warn on, also where the level of the log is above it.
type countingCore struct {
	zapcore.Core
	logged *prometheus.CounterVec
}

func (c countingCore) Enabled(l zapcore.Level) bool {
	return l >= zapcore.WarnLevel || c.Core.Enabled(l)
}

func (c countingCore) With(fields []zapcore.Field) zapcore.Core {
	return countingCore{Core: c.Core.With(fields), logged: c.logged}
}

// Check is called once for each line that is Enabled.
func (c countingCore) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	switch {
	case e.Level >= zapcore.ErrorLevel:
		c.logged.WithLabelValues(zapcore.ErrorLevel.String()).Inc()
	case e.Level == zapcore.WarnLevel:
		c.logged.WithLabelValues(zapcore.WarnLevel.String()).Inc()
	}
	return c.Core.Check(e, to)
}

// Throttled is the result of a request that AWS refused for a while.
const Throttled = "throttled"

// Request counts one attempt of a request to AWS: the service and operation as the SDK names them, result as awsapi does.
func (m *Metrics) Request(service, operation, result string) {
	if m != nil {
		m.requests.WithLabelValues(service, operation, result).Inc()
	}
}

// has tells whether a metric was registered.
func (m *Metrics) has(name string) bool {
	_, ok := m.names.Load(name)
	return ok
}

// register adds a metric; a name that is there already is a mistake of the program, and panics.
func (m *Metrics) register(name string, c prometheus.Collector) {
	m.registry.MustRegister(c)
	m.names.Store(name, nil)
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: Namespace, Name: name, Help: help}, labels)
	m.register(name, v)
	return v
}

func (m *Metrics) counter(name, help string) prometheus.Counter {
	return m.counters(name, help).WithLabelValues()
}

func (m *Metrics) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: Namespace, Name: name, Help: help}, labels)
	m.register(name, v)
	return v
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge {
	return m.gauges(name, help).WithLabelValues()
}

// gaugeFunc asks for the value when somebody reads it.
func (m *Metrics) gaugeFunc(name, help string, value func() float64) {
	m.register(name, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: Namespace, Name: name, Help: help}, value))
}

func (m *Metrics) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: Namespace, Name: name, Help: help, Buckets: buckets}, labels)
	m.register(name, v)
	return v
}
