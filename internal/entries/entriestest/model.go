package entriestest

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

var modelTests = []test{{"a few entries in any order of calls", testModel}}

// testModel drives four entries, three rows in two parts and four batches of one protocol through random calls, by writers
// with fresh and with old views, and compares every answer and all that is stored with a model that is as plain as the
// contract's sentences. Where several things are wrong at once, each of their errors is right.
func testModel(t *testing.T, f *fixture) {
	var n atomic.Int64
	rapid.Check(t, func(r *rapid.T) {
		m := &model{
			f: f, name: fmt.Sprintf("dns%d", n.Add(1)), epoch: 1, entries: map[string]entries.Entry{}, rows: map[place]modelRow{},
			batches: map[string]*modelBatch{},
		}
		m.raise(r)
		m.begin(r)
		r.Repeat(map[string]func(*rapid.T){
			"":       m.check,
			"put":    m.put,
			"count":  m.count,
			"count2": m.count, // more often than what ends their lives
			"merge":  m.merge,
			"purge":  m.purge,
			"raise": func(r *rapid.T) {
				if rapid.IntRange(0, 2).Draw(r, "another start") == 0 { // or hardly any batch would be joined
					m.raise(r)
				}
			},
			"open":  m.open,
			"join":  m.join,
			"join2": m.join,
			"claim": m.claim,
			"done":  m.done,
		})
	})
}

// place is where a live row is.
type place struct {
	gen  int64
	slot int
	key  string
}

// modelRow is what was written into a row, and the version that the store gave it; "": to be learned.
type modelRow struct{ state, version string }

var modelBatches = []string{"A", "B", "C", "D"}

type modelBatch struct {
	entries.Batch
	members []entries.Member
}

type model struct {
	f       *fixture
	name    string // of the protocol, and what the names of its entries and batches begin with
	epoch   int64
	gens    []int64
	entries map[string]entries.Entry
	rows    map[place]modelRow
	old     []string // versions that were read once
	batches map[string]*modelBatch
	writes  int

	rowsOf    int64 // the generation whose rows the last call was about
	batchesOf bool  // it was about batches
}

func (m *model) part(gen int64, slot int) ledger.Part {
	return ledger.Part{Protocol: m.name, Generation: gen, Name: entries.LivePart(slot)}
}

func (m *model) ids() []string {
	list := make([]string, 4)
	for i := range list {
		list[i] = fmt.Sprint(m.name, " ", i)
	}
	return list
}

// some draws one or more of a list, each once, in any order.
func some[T comparable](r *rapid.T, list []T, label string) []T {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(list), 1, len(list), rapid.ID[T]).Draw(r, label)
}

// version draws the row's as it is, mostly, or an older one.
func (m *model) version(r *rapid.T, at place) string {
	if len(m.old) > 0 && rapid.IntRange(0, 4).Draw(r, "old view") == 0 {
		return rapid.SampledFrom(append(m.old, "")).Draw(r, "version")
	}
	return m.rows[at].version
}

// answer compares an error with those that the model allows; none: no error. It reports success.
func (m *model) answer(r *rapid.T, got error, allowed []error) bool {
	r.Helper()
	if (got == nil) != (len(allowed) == 0) || (got != nil && !isOne(got, allowed)) {
		r.Fatalf("got error %v, want one of %v", got, allowed)
	}
	return got == nil
}

// begin puts and counts half of the entries.
func (m *model) begin(r *rapid.T) {
	c := entries.Count{Part: m.part(m.epoch, 0)}
	for _, id := range m.ids()[:2] {
		e := entry(id)
		e.Protocol = m.name
		m.f.put(r, e)
		e.Processed, e.Gens = true, []int64{m.epoch}
		m.entries[id] = e
		c.Entries = append(c.Entries, entries.Counted{ID: id})
	}
	m.f.count(r, c)
}

func (m *model) put(r *rapid.T) {
	there := 0
	var list []entries.Entry
	for _, id := range some(r, m.ids(), "entries") {
		e := entry(id)
		e.Protocol = m.name
		list = append(list, e)
		if _, ok := m.entries[id]; ok {
			there++
		} else {
			m.entries[id] = e
		}
	}
	got, err := m.f.Put(r.Context(), list)
	must(r, err)
	equal(r, "there", got, there)
}

// write is a row for a place, under a version, that no other write is like.
func (m *model) write(at place, version string) entries.LiveRow {
	m.writes++
	return row(at.key, fmt.Sprint("write ", m.writes), version)
}

func (m *model) count(r *rapid.T) {
	gen, slot := rapid.SampledFrom(m.gens).Draw(r, "generation"), rapid.IntRange(0, 1).Draw(r, "slot")
	m.rowsOf = gen
	c := entries.Count{Part: m.part(gen, slot)}
	var allowed []error
	for _, id := range some(r, m.ids(), "entries") {
		e, ok := m.entries[id]
		if !ok || e.Batch != "" || slices.Contains(e.Gens, gen) {
			if rapid.Bool().Draw(r, "left out") { // or hardly any count would succeed
				continue
			}
			allowed = append(allowed, entries.ErrStale)
		}
		c.Entries = append(c.Entries, entries.Counted{ID: id, Error: rapid.SampledFrom([]string{"", "", "bad line"}).Draw(r, "error")})
	}
	if len(c.Entries) == 0 {
		return
	}
	for _, k := range some(r, []string{"x", "y", "z"}, "rows") {
		at := place{gen, slot, k}
		version := m.version(r, at)
		if version != m.rows[at].version {
			allowed = append(allowed, entries.ErrConflict)
		}
		c.Rows = append(c.Rows, m.write(at, version))
	}
	if !m.answer(r, m.f.Count(r.Context(), c), allowed) {
		return
	}
	for _, n := range c.Entries {
		e := m.entries[n.ID]
		e.Processed = true
		e.Gens = append(slices.Clone(e.Gens), gen)
		slices.Sort(e.Gens)
		if n.Error != "" {
			e.Error = n.Error
		}
		m.entries[n.ID] = e
	}
	for i := range c.Rows {
		m.wrote(place{gen, slot, c.Rows[i].Key}, c.Rows[i])
	}
}

// wrote notes a row whose version is new; check asks for it.
func (m *model) wrote(at place, w entries.LiveRow) {
	if v := m.rows[at].version; v != "" {
		m.old = append(m.old, v)
	}
	m.rows[at] = modelRow{state: string(w.State)}
}

func (m *model) merge(r *rapid.T) {
	gen, slot := rapid.SampledFrom(m.gens).Draw(r, "generation"), rapid.IntRange(0, 1).Draw(r, "slot")
	k := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(r, "row")
	m.rowsOf = gen
	into, from := place{gen, slot, k}, place{gen, 1 - slot, k}
	var allowed []error
	version, remove := m.version(r, into), m.version(r, from)
	if remove == "" {
		return
	}
	if version != m.rows[into].version || remove != m.rows[from].version {
		allowed = append(allowed, entries.ErrConflict)
	}
	w := m.write(into, version)
	err := m.f.MergeLive(r.Context(), entries.Merge{
		Into: m.part(gen, slot), Row: w, Remove: []entries.Placed{{Part: entries.LivePart(1 - slot), Key: key(k), Version: remove}},
	})
	if m.answer(r, err, allowed) {
		m.wrote(into, w)
		m.old = append(m.old, m.rows[from].version)
		delete(m.rows, from)
	}
}

func (m *model) purge(r *rapid.T) {
	gen, want := rapid.SampledFrom(m.gens).Draw(r, "generation"), 0
	m.rowsOf = gen
	for at, row := range m.rows {
		if at.gen == gen {
			want++
			m.old = append(m.old, row.version)
			delete(m.rows, at)
		}
	}
	got := 0
	for {
		n, err := m.f.ledger.Purge(r.Context(), ledger.PurgeParams{Protocol: m.name, Generation: gen}, 100)
		must(r, err)
		if n == 0 {
			break
		}
		got += n
	}
	equal(r, "purged", got, want)
}

// raise opens a generation.
func (m *model) raise(r *rapid.T) {
	m.epoch++
	m.gens = append(m.gens, m.epoch)
	if len(m.gens) > 3 {
		m.gens = m.gens[1:]
	}
	m.f.meta(r, m.name, m.epoch, m.gens...)
}

// batchID draws a batch that the call is about.
func (m *model) batchID(r *rapid.T) string {
	m.batchesOf = true
	return m.name + rapid.SampledFrom(modelBatches).Draw(r, "batch")
}

func (m *model) open(r *rapid.T) {
	b := entries.Batch{
		ID: m.batchID(r), Protocol: m.name, State: entries.Open, Key: "key", Opened: start,
		Epoch: m.epoch + rapid.SampledFrom([]int64{0, 0, 0, -1, 1}).Draw(r, "epoch off by"),
	}
	known := m.batches[b.ID]
	err := m.f.OpenBatch(r.Context(), b)
	switch {
	case b.Epoch != m.epoch && known != nil: // both sentences of the contract
		if err != nil {
			wantErr(r, err, entries.ErrEpoch)
		}
	case b.Epoch != m.epoch:
		wantErr(r, err, entries.ErrEpoch)
	default:
		must(r, err)
		if known == nil {
			m.batches[b.ID] = &modelBatch{Batch: b}
		}
	}
}

func (m *model) join(r *rapid.T) {
	b := m.batches[m.batchID(r)]
	if b == nil {
		return
	}
	j := entries.Join{Batch: b.Batch, Gens: some(r, m.gens, "generations"), Bytes: 11}
	if b.Pages > 0 && rapid.IntRange(0, 4).Draw(r, "old view") == 0 {
		j.Batch.Pages--
	}
	var allowed []error
	if b.Epoch != m.epoch {
		allowed = append(allowed, entries.ErrEpoch)
	}
	if b.State != entries.Open || j.Batch.Pages != b.Pages {
		allowed = append(allowed, entries.ErrClosed)
	}
	for _, id := range some(r, m.ids(), "entries") {
		e, ok := m.entries[id]
		lacks := slices.ContainsFunc(j.Gens, func(g int64) bool { return !slices.Contains(e.Gens, g) })
		if !ok || e.Batch != "" || lacks {
			if rapid.Bool().Draw(r, "left out") {
				continue
			}
			allowed = append(allowed, entries.ErrStale)
		}
		j.Members = append(j.Members, entries.Member{ID: id, TS: start.Add(time.Duration(len(j.Members)))})
	}
	if len(j.Members) == 0 {
		return
	}
	got, err := m.f.Join(r.Context(), j)
	if !m.answer(r, err, allowed) {
		return
	}
	b.Pages, b.Entries, b.Bytes = b.Pages+1, b.Entries+int64(len(j.Members)), b.Bytes+j.Bytes
	b.members = append(b.members, j.Members...)
	equal(r, "batch", got, b.Batch)
	for _, n := range j.Members {
		e := m.entries[n.ID]
		e.Batch = b.ID
		m.entries[n.ID] = e
	}
}

func (m *model) claim(r *rapid.T) {
	id := m.batchID(r)
	got, err := m.f.ClaimBatch(r.Context(), id)
	b := m.batches[id]
	if b == nil {
		wantErr(r, err, entries.ErrNotFound)
		return
	}
	must(r, err)
	if b.State == entries.Open {
		b.State = entries.Claimed
	}
	equal(r, "batch", got, b.Batch)
}

// done archives the members of a claimed batch and closes it.
func (m *model) done(r *rapid.T) {
	b := m.batches[m.batchID(r)]
	if b == nil || b.State == entries.Open {
		return
	}
	must(r, m.f.Archived(r.Context(), b.ID, m.ids(), after(time.Hour))) // also those of other batches
	for id, e := range m.entries {
		if e.Batch == b.ID {
			e.Archived = true
			m.entries[id] = e
		}
	}
	must(r, m.f.DoneBatch(r.Context(), b.Batch, after(time.Hour)))
	b.State = entries.Done
}

// check compares what the last call may have changed with the model.
func (m *model) check(r *rapid.T) {
	equal(r, "entries", m.f.read(r, m.ids()...), m.entries)
	for _, gen := range m.gens {
		if gen == m.rowsOf {
			m.checkRows(r, gen)
		}
	}
	if m.batchesOf {
		m.checkBatches(r)
	}
	m.rowsOf, m.batchesOf = 0, false
}

// checkRows compares the rows of a generation, and learns the versions of those that were written.
func (m *model) checkRows(r *rapid.T, gen int64) {
	found := 0
	for _, row := range all(r, m.f.LiveParts(r.Context(), m.name, gen, "queries")) {
		found++
		slot := 0
		if row.Part == entries.LivePart(1) {
			slot = 1
		}
		at := place{gen, slot, row.Key}
		want := m.rows[at]
		equal(r, fmt.Sprintf("state of row %+v", at), string(row.State), want.state)
		switch {
		case want.version == "" && (row.Version == "" || slices.Contains(m.old, row.Version)):
			r.Fatalf("row %+v has version %q, which is none or was another one's", at, row.Version)
		case want.version != "" && want.version != row.Version:
			r.Fatalf("row %+v has version %q, and nobody has written since %q", at, row.Version, want.version)
		}
		m.rows[at] = modelRow{state: want.state, version: row.Version}
	}
	want := 0
	for at := range m.rows {
		if at.gen == gen {
			want++
		}
	}
	equal(r, "rows", found, want)
}

func (m *model) checkBatches(r *rapid.T) {
	var unwritten []entries.Batch
	for _, id := range modelBatches {
		b := m.batches[m.name+id]
		if b == nil {
			continue
		}
		if b.State != entries.Done {
			unwritten = append(unwritten, b.Batch)
		}
		equal(r, "members of "+b.ID, all(r, m.f.Members(r.Context(), b.Batch)), b.members)
	}
	equal(r, "batches", m.f.unwritten(r, m.name), unwritten)
}
