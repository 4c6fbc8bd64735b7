package telemetry

import (
	"context"
	"math"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// EMFNamespace is the namespace of the metrics in CloudWatch.
const EMFNamespace = "Reprise"

// emfInterval is the time between two lines, in which CloudWatch keeps one value of a metric.
const emfInterval = time.Minute

// EMFOptions say what the lines bear beside the metrics.
type EMFOptions struct {
	Stack   string      // the value of the dimension Stack
	Roles   []string    // of the process: a property, for queries of the log
	Process string      // its name: a property too
	Log     *zap.Logger // where the lines go, whatever its level
}

// EMF writes the few metrics that alarms need into the log, once a minute by Run, in CloudWatch's Embedded Metric Format: CloudWatch Logs
// makes metrics of such lines by itself. They are lines of the log like any other, with _aws and the metrics beside its keys.
type EMF struct {
	m      *Metrics
	o      EMFOptions
	before map[string]float64 // of what only grows: its value at the line before
}

// EMF makes the writer of a process; nil has none. What was counted before is in its first line.
func (m *Metrics) EMF(o EMFOptions) *EMF {
	if m == nil {
		return nil
	}
	return &EMF{m: m, o: o, before: map[string]float64{}}
}

// alarmed are the metrics in CloudWatch, each the sum of one of the registry over its labels.
var alarmed = []struct {
	name, unit   string
	of           string  // in the registry, without the namespace
	label, value string  // where this label has this value alone; "": whatever the labels
	grows        bool    // the line has what was added since the line before, and 0 where nothing was
	per          float64 // divides what was added; 0: nothing does
}{
	{name: "LiveLag", unit: "Seconds", of: lagSeconds},
	{name: "Unarchived", unit: "Count", of: unarchivedEntries},
	{name: "UnarchivedAge", unit: "Seconds", of: unarchivedAge},
	{name: "ReplayStalled", unit: "Seconds", of: stalledSeconds},
	{name: "Errors", unit: "Count", of: logTotal, grows: true},
	{name: "Throttles", unit: "Count", of: requestsTotal, label: labelResult, value: Throttled, grows: true},
	// By the whole interval in a last line too that comes earlier, so that the sum over all lines of a minute is that minute's rate.
	{name: "LinesPerSecond", unit: "Count/Second", of: linesTotal, grows: true, per: emfInterval.Seconds()},
}

// Run writes a line every minute until ctx ends, and then a last one of what was counted since.
func (e *EMF) Run(ctx context.Context) {
	if e == nil {
		return
	}
	tick := time.NewTicker(emfInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			e.write(true)
			return
		case <-tick.C:
			e.write(false)
		}
	}
}

// Write writes a line now, for a process that runs only while it is asked something. It must not be called while Run or another
// Write goes on.
func (e *EMF) Write() {
	if e != nil {
		e.write(false)
	}
}

// emfMeta is the member _aws of a line.
type emfMeta struct {
	Timestamp         int64          `json:"Timestamp"` // milliseconds since 1970
	CloudWatchMetrics []emfDirective `json:"CloudWatchMetrics"`
}

type emfDirective struct {
	Namespace  string      `json:"Namespace"`
	Dimensions [][]string  `json:"Dimensions"`
	Metrics    []emfMetric `json:"Metrics"`
}

type emfMetric struct {
	Name string `json:"Name"`
	Unit string `json:"Unit"`
}

// write writes one line; the last one has no values of a moment: those of a process that stops say nothing.
func (e *EMF) write(last bool) {
	families, err := e.m.registry.Gather()
	if err != nil { // what could be gathered is there all the same
		e.o.Log.Warn("gathering metrics for CloudWatch", zap.Error(err))
	}
	now := time.Now()
	directive := emfDirective{Namespace: EMFNamespace, Dimensions: [][]string{{"Stack"}}}
	fields := []zap.Field{zap.Skip(), zap.String("Stack", e.o.Stack), zap.Strings("Roles", e.o.Roles), zap.String("Process", e.o.Process)}
	for _, a := range alarmed {
		n := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == Namespace+"_"+a.of })
		value := 0.0
		switch {
		case n >= 0:
			value = sum(families[n], a.label, a.value)
		case !a.grows || !e.m.has(a.of):
			continue // no role of this process reports it
		}
		if a.grows {
			value, e.before[a.name] = value-e.before[a.name], value
		} else if last {
			continue
		}
		if a.per > 0 {
			value /= a.per
		}
		if math.IsNaN(value) || math.IsInf(value, 0) {
			continue // no JSON
		}
		directive.Metrics = append(directive.Metrics, emfMetric{Name: a.name, Unit: a.unit})
		fields = append(fields, zap.Float64(a.name, value))
	}
	fields[0] = zap.Reflect("_aws", emfMeta{Timestamp: now.UnixMilli(), CloudWatchMetrics: []emfDirective{directive}})
	// By the core itself: the alarms need the lines whatever the level of the log is.
	_ = e.o.Log.Core().Write(zapcore.Entry{Level: zapcore.InfoLevel, Time: now, Message: "metrics"}, fields)
}

// sum adds the values of a metric up, where a label is given those that have this value of it.
func sum(f *dto.MetricFamily, label, value string) float64 {
	total := 0.0
	for _, m := range f.GetMetric() {
		if label != "" && !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == label && l.GetValue() == value }) {
			continue
		}
		total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return total
}
