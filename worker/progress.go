package worker

import (
	"context"
	"iter"
	"math"
	"sync"
	"time"

	"github.com/axiomhq/hyperloglog"
	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// progress keeps this worker's totals of each replay and writes them into the ledger every now and then: for rates, and
// for the number of rows, by which a fold is cut into parts. Nothing is decided by it, so a lost report costs nothing.
type progress struct {
	o      Options
	mu     sync.Mutex
	totals map[string]*total // by replay
}

type total struct {
	ledger.Progress
	keys    map[string]*hyperloglog.Sketch // by protocol
	changed bool
	told    int64     // Lines, as the log has it
	toldAt  time.Time // and since when
}

// committed is what one commit adds.
type committed struct {
	lines, bytes, objects int64
	keys                  iter.Seq[uint64] // hashes of the partial's rows; seeing one twice is harmless
}

func (p *progress) init(o Options) {
	p.o = o
	p.totals = map[string]*total{}
}

func (p *progress) add(replay, protocol string, c committed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.totals[replay]
	if t == nil {
		t = &total{keys: map[string]*hyperloglog.Sketch{}}
		t.Replay, t.Worker, t.Since = replay, p.o.Name, time.Now()
		t.toldAt = t.Since
		p.totals[replay] = t
	}
	t.Lines += c.lines
	t.Bytes += c.bytes
	t.Objects += c.objects
	t.Chunks++
	t.changed = true
	sketch := t.keys[protocol]
	if sketch == nil {
		sketch = hyperloglog.New()
		t.keys[protocol] = sketch
	}
	for hash := range c.keys {
		sketch.InsertHash(hash)
	}
}

// run reports until ctx ends, and says once a minute in the log how far it is.
func (p *progress) run(ctx context.Context) {
	report := time.NewTicker(p.o.Report)
	defer report.Stop()
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-report.C:
			p.flush(ctx)
		case <-minute.C:
			p.say()
		}
	}
}

func (p *progress) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, p.o.Report)
	defer cancel()
	for _, report := range p.changed() {
		if err := p.o.Ledger.PutProgress(ctx, report); err != nil {
			p.o.Log.Info("reporting progress", zap.String("replay", report.Replay), zap.Error(err))
		}
	}
}

func (p *progress) changed() []ledger.Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	var reports []ledger.Progress
	now := time.Now()
	for replay, t := range p.totals {
		if !t.changed {
			if now.Sub(t.At) > time.Hour { // a replay that ended long ago
				delete(p.totals, replay)
			}
			continue
		}
		t.changed = false
		t.At = now
		report := t.Progress
		report.Keys = map[string][]byte{}
		for protocol, sketch := range t.keys {
			if b, err := sketch.MarshalBinary(); err == nil {
				report.Keys[protocol] = b
			}
		}
		reports = append(reports, report)
	}
	return reports
}

func (p *progress) say() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for replay, t := range p.totals {
		rate := float64(t.Lines-t.told) / max(now.Sub(t.toldAt), time.Second).Seconds()
		t.told, t.toldAt = t.Lines, now
		p.o.Log.Info("progress", zap.String("replay", replay), zap.Int64("lines", t.Lines), zap.Int64("bytes", t.Bytes),
			zap.Int64("objects", t.Objects), zap.Int64("chunks", t.Chunks), zap.Float64("lines_per_second", math.Round(rate)))
	}
}
