package worker

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/queue"
)

// fragile is a consumer of lines such as "7 host" that panics over those it has not thought of.
type fragile struct{ version string }

func (f fragile) Version() string     { return f.version }
func (fragile) Fields() []string      { return []string{"ts", "host"} }
func (fragile) NewParser() LineParser { return fragile{} }
func (fragile) Parse(line []byte, r *Record) error {
	words := bytes.Split(line, []byte(" "))
	r.Time("ts", began.Add(time.Duration(len(words[0]))*time.Second))
	r.Text("host", words[1])
	return nil
}

func init() { Register("fragile", fragile{"2"}, fragile{"1"}) }

func fragileDefinition(version string) stats.Definition {
	return stats.Definition{
		Protocol: protocol, Format: logline.Format{Name: "go", Consumer: "fragile", Version: version}, Timestamp: "ts",
		Stats: []stats.Statistic{{Name: "hosts", By: []string{"host"}, Measures: []stats.Measure{{Name: "lines", Func: "count"}}}},
	}
}

// TestPanickingConsumer: a consumer that panics over a line refuses it, and costs the object nothing else. The reason tells
// where it was, and holds nothing of the line.
func TestPanickingConsumer(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.define(fragileDefinition("1")) // the earlier one is in this program too
	var content strings.Builder
	for i := range 1000 {
		if fmt.Fprintf(&content, "%d host-%d\n", i, i%3); i%100 == 50 {
			content.WriteString("secret\n\n")
		}
	}
	b.add("dns/a", []byte(content.String()))
	if n := b.drain(b.worker()); n != 1 {
		t.Errorf("%d messages", n)
	}
	c := b.cursor("dns/a")
	want := ledger.Accounts{Read: 1010, Counted: 1000, Rejected: 10, Blank: 10, Bytes: c.Size, Consumed: c.Size}
	if diff := cmp.Diff(want, c.Accounts); diff != "" || c.State != ledger.Finished || c.NoProgress != 0 {
		t.Errorf("%s after %d attempts, accounts (-want +got):\n%s", c.State, c.NoProgress, diff)
	}
	for _, r := range c.Rejects {
		if !strings.HasPrefix(r.Reason, "fragile: panic in consumer_test.go:") || !strings.Contains(r.Reason, "index out of range [1] with length 1") {
			t.Errorf("line %d: %s", r.Line, r.Reason)
		}
	}
	if len(c.Rejects) != 10 {
		t.Errorf("%d samples", len(c.Rejects))
	}
	hosts := table{"hosts|=host-0": "[334]", "hosts|=host-1": "[333]", "hosts|=host-2": "[333]"}
	if diff := cmp.Diff(hosts, b.rows("dns/a")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	b.wantIdle()
}

// TestConsumerOfAnotherVersion: a worker claims nothing of a generation whose consumer it does not have, however often
// the message comes, and says so.
func TestConsumerOfAnotherVersion(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.add("dns/a", []byte("1 host\n"))
	g, err := b.ledger.Generation(b.ctx, protocol, 1)
	if err != nil {
		t.Fatal(err)
	}
	g.Definition = fragileDefinition("3").Encode()
	b.write(ledger.Writes{Generations: []ledger.Generation{g}})
	core, logs := observer.New(zap.WarnLevel)
	w := b.worker(func(o *Options) { o.Log = zap.New(core) })
	for n := range 12 {
		if !b.step(w) {
			t.Fatalf("there is no message after %d", n)
		}
		if c := b.cursor("dns/a"); c.State != ledger.Pending || c.Epoch != 0 || c.Line != 0 {
			t.Fatalf("%s at line %d, epoch %d", c.State, c.Line, c.Epoch)
		}
		said := logs.TakeAll()
		if len(said) != 1 || !strings.Contains(fmt.Sprint(said[0].ContextMap()), `does not have the Go consumer fragile in version "3"; it has 2, 1`) {
			t.Fatalf("the worker says %v", said)
		}
		b.pass(time.Minute)
	}
	b.wantCounts(b.dead, queue.Counts{})
}
