package replay_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/entries/sqliteentries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/worker"
)

// lively is a system with a live side that is moved by hand: each entry is counted, joined and archived when the test
// says so, by the rules of the contract alone.
type lively struct {
	*system
	entries *sqliteentries.Entries
	settle  time.Duration
	late    time.Duration
	swept   []string
	n       int
	prefix  string                    // of the archive's keys
	all     map[string]map[string]int // by protocol: all lines that there have ever been, by their text
}

func newLively(t *testing.T) *lively {
	t.Helper()
	l := &lively{system: newSystem(t), prefix: "logs/", all: map[string]map[string]int{}}
	var err error
	if l.entries, err = sqliteentries.Open(context.Background(), l.ledger); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *lively) side() *replay.LiveSide {
	return &replay.LiveSide{Entries: l.entries, Sweep: l.sweep, Settle: l.settle, Late: l.late}
}

// beside makes a process's driver with the live side.
func (l *lively) beside(owner string, tap *tap, change ...func(*replay.Options)) *replay.Driver {
	l.t.Helper()
	live := func(o *replay.Options) {
		if o.Live = l.side(); tap != nil {
			o.Live.Entries = tapEntries{l.entries, tap}
		}
	}
	return l.driver(owner, tap, append([]func(*replay.Options){live}, change...)...)
}

// tapEntries taps what decides in a driver.
type tapEntries struct {
	entries.Entries
	t *tap
}

func (e tapEntries) Unwritten(ctx context.Context, protocol string) ([]entries.Batch, error) {
	return get(e.t, "Unwritten", func() ([]entries.Batch, error) { return e.Entries.Unwritten(ctx, protocol) })
}

// opened gives the protocols their first generation.
func (l *lively) opened(protocols ...string) *replay.Driver {
	l.t.Helper()
	d := l.beside("live", nil)
	if err := d.OpenLive(context.Background(), params(protocols...).Protocols); err != nil {
		l.t.Fatal(err)
	}
	return d
}

func logLine(at time.Time, text string) []byte {
	return fmt.Appendf(nil, `{"ts":%q,"q":%q}`, at.UTC().Format(time.RFC3339Nano), text)
}

// arrive puts an entry for each text, which are of now, and returns their ids.
func (l *lively) arrive(protocol string, texts ...string) []string {
	l.t.Helper()
	return l.arriveAt(protocol, time.Now(), texts...)
}

func (l *lively) arriveAt(protocol string, at time.Time, texts ...string) (ids []string) {
	l.t.Helper()
	var put []entries.Entry
	for _, text := range texts {
		l.n++
		id := fmt.Sprintf("%s-%06d", protocol, l.n)
		ids = append(ids, id)
		put = append(put, entries.Entry{ID: id, Protocol: protocol, TS: at.Add(time.Duration(l.n)), Line: logLine(at, text)})
		l.add(protocol, text)
	}
	if there, err := l.entries.Put(context.Background(), put); err != nil || there > 0 {
		l.t.Fatalf("putting entries: %d were there, %v", there, err)
	}
	return ids
}

func (l *lively) add(protocol, text string) {
	if l.all[protocol] == nil {
		l.all[protocol] = map[string]int{}
	}
	l.all[protocol][text]++
}

// put writes an object of the archive as others do, whose lines are of at, and adds them to all.
func (l *lively) putAt(key string, at time.Time, texts ...string) {
	l.t.Helper()
	protocol, _, _ := strings.Cut(strings.TrimPrefix(key, "logs/"), "/")
	var b bytes.Buffer
	for _, text := range texts {
		b.Write(append(logLine(at, text), '\n'))
		l.add(protocol, text)
	}
	l.putBytes(key, b.Bytes())
}

// count counts entries in those of the generations that they lack. What the store refuses stays as it is.
func (l *lively) count(protocol string, gens []int64, ids ...string) {
	l.t.Helper()
	for _, g := range gens {
		for _, id := range ids {
			if err := l.countOne(protocol, g, id); err != nil && !errors.Is(err, entries.ErrStale) {
				l.t.Fatal(err)
			}
		}
	}
}

func (l *lively) countOne(protocol string, generation int64, id string) error {
	ctx := context.Background()
	g, err := l.ledger.Generation(ctx, protocol, generation)
	if err != nil {
		return err
	}
	found, err := l.entries.Read(ctx, []string{id})
	if err != nil {
		return err
	}
	if len(found) == 0 || slices.Contains(found[0].Gens, generation) {
		return entries.ErrStale
	}
	def, err := stats.DecodeDefinition(g.Definition)
	if err != nil {
		return err
	}
	program, err := stats.Compile(def)
	if err != nil {
		return err
	}
	text := entries.OneLine(found[0].Line)
	tally, err := program.NewTally(stats.Rule{All: true})
	if err != nil {
		return err
	}
	c := entries.Count{Part: ledger.Part{Protocol: protocol, Generation: generation, Name: entries.LivePart(l.n % 3)}, Entries: []entries.Counted{{ID: id}}}
	if !l.replays(g, text) {
		if _, err := tally.Line(1, text); err != nil {
			c.Entries[0].Error = err.Error()
		}
	}
	for row := range tally.Partial().Rows() {
		merged, err := l.merged(c.Part, program, row)
		if err != nil {
			return err
		}
		c.Rows = append(c.Rows, merged)
	}
	return l.entries.Count(ctx, c)
}

// replays tells whether a line is a replay's to count, by its own time.
func (l *lively) replays(g ledger.Generation, text []byte) bool {
	var at struct{ TS time.Time }
	if err := json.Unmarshal(text, &at); err != nil {
		return false
	}
	return !g.Cutoff.IsZero() && !at.TS.After(g.Cutoff)
}

// merged is a row of a live part with what a line adds to it.
func (l *lively) merged(part ledger.Part, program *stats.Program, row stats.Row) (entries.LiveRow, error) {
	key := entries.RowKey{Statistic: "queries", Day: row.Day(), Key: row.Key()}
	found, err := l.entries.LiveRows(context.Background(), part, []entries.RowKey{key})
	if err != nil {
		return entries.LiveRow{}, err
	}
	sum := program.NewPartial()
	states := [][]byte{row.State()}
	if found[0].Version != "" {
		states = append(states, found[0].State)
	}
	for _, state := range states {
		if err := sum.MergeRow("queries", row.DimsJSON(), state); err != nil {
			return entries.LiveRow{}, err
		}
	}
	merged := found[0]
	for r := range sum.Rows() {
		merged.Row = ledger.Row{Statistic: "queries", Day: key.Day, Key: key.Key, Dims: r.DimsJSON(), Measures: r.MeasuresJSON(), State: r.State()}
	}
	return merged, nil
}

// live counts entries as a consumer does: in all generations that are counted live now.
func (l *lively) live(protocol string, ids ...string) {
	l.t.Helper()
	l.count(protocol, l.protocol(protocol).Gens, ids...)
}

// sweep is that of the live side.
func (l *lively) sweep(ctx context.Context, protocol string) error {
	l.swept = append(l.swept, protocol)
	p, err := l.ledger.Protocol(ctx, protocol)
	if err != nil {
		return err
	}
	for u, err := range l.entries.Unfinished(ctx, protocol) {
		if err != nil {
			return err
		}
		for _, g := range p.Gens {
			if u.Batch != "" {
				continue
			}
			if err := l.countOne(protocol, g, u.ID); err != nil && !errors.Is(err, entries.ErrStale) {
				return err
			}
		}
	}
	return nil
}

// begin opens a batch under the protocol's epoch, as the archiver of that epoch.
func (l *lively) begin(protocol string) entries.Batch {
	l.t.Helper()
	return l.beginAs(protocol, true)
}

// beginAs opens a batch that is to be an object, or one of entries that others archive.
func (l *lively) beginAs(protocol string, object bool) entries.Batch {
	l.t.Helper()
	now := time.Now().UTC()
	epoch := l.protocol(protocol).Epoch
	id := ulid.MustNew(ulid.Timestamp(now), ulid.DefaultEntropy()).String()
	b := entries.Batch{
		ID: id, Protocol: protocol, Epoch: epoch, State: entries.Open, Opened: now,
		Key: fmt.Sprintf("%s%s/%s", l.prefix, protocol, archive.ObjectName(epoch, id)),
	}
	if !object {
		b.Key = ""
	}
	if err := l.entries.OpenBatch(context.Background(), b); err != nil {
		l.t.Fatal(err)
	}
	return b
}

// join adds entries to a batch, as an archiver with that view of the generations does.
func (l *lively) join(b entries.Batch, gens []int64, ids ...string) (entries.Batch, error) {
	found, err := l.entries.Read(context.Background(), ids)
	if err != nil {
		return b, err
	}
	j := entries.Join{Batch: b, Gens: gens}
	for _, e := range found {
		j.Members = append(j.Members, entries.Member{ID: e.ID, TS: e.TS})
		j.Bytes += int64(len(e.Line) + 1)
	}
	return l.entries.Join(context.Background(), j)
}

// batch opens a batch with entries that are counted.
func (l *lively) batch(protocol string, ids ...string) entries.Batch {
	l.t.Helper()
	b, err := l.join(l.begin(protocol), l.protocol(protocol).Gens, ids...)
	if err != nil {
		l.t.Fatal(err)
	}
	return b
}

// write takes a batch to its end.
func (l *lively) write(id string) {
	l.t.Helper()
	if err := l.written(id); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lively) written(id string) error {
	ctx := context.Background()
	b, err := l.entries.ClaimBatch(ctx, id)
	if err != nil {
		return err
	}
	var ids []string
	for m, err := range l.entries.Members(ctx, b) {
		if err != nil {
			return err
		}
		ids = append(ids, m.ID)
	}
	expires := time.Now().Add(48 * time.Hour)
	for some := range slices.Chunk(ids, entries.MaxRead) {
		if err := l.writeObject(ctx, b, some); err != nil {
			return err
		}
		if err := l.entries.Archived(ctx, b.ID, some, expires); err != nil {
			return err
		}
	}
	return l.entries.DoneBatch(ctx, b, expires)
}

func (l *lively) writeObject(ctx context.Context, b entries.Batch, ids []string) error {
	if b.Key == "" {
		return nil
	}
	found, err := l.entries.Read(ctx, ids)
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b entries.Entry) int { return strings.Compare(a.ID, b.ID) })
	var text bytes.Buffer
	z := gzip.NewWriter(&text)
	for _, e := range found {
		if _, err := z.Write(append(entries.OneLine(e.Line), '\n')); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	_, err = l.files.Put(ctx, dirarchive.PutParams{Key: b.Key, Body: &text, NoSync: true, IfNoneMatch: true})
	return err
}

// open starts a replay.
func (l *lively) open(d *replay.Driver, p replay.StartParams) ledger.Replay {
	l.t.Helper()
	r, err := d.Start(context.Background(), p)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// finish takes a replay to its end, with workers of its own.
func (l *lively) finish(d *replay.Driver, id string) {
	l.t.Helper()
	stop := l.pool(none)
	defer stop()
	l.watch(d, id, ledger.Finished)
	l.wantFinished(id)
}

// wantAll wants every line that there has ever been in a generation, once.
func (l *lively) wantAll(protocol string, generations ...int64) {
	l.t.Helper()
	for _, g := range generations {
		l.wantRows(protocol, g, l.all[protocol])
	}
}

// seen is a copy of all lines of a protocol up to now.
func (l *lively) seen(protocol string) map[string]int { return maps.Clone(l.all[protocol]) }

func none(*worker.Options) {}
